"""The Patient page."""
