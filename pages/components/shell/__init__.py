"""What every page shares: frame, session, controls, exports, lists of patients."""
