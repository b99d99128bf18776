"""What the pages share: session, frame, controls, exports, progress of background runs."""
