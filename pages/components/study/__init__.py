"""What the pages of both studies share: uploads, cohorts, dials."""
