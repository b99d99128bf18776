"""A registry table: read, checked, described, and cut into decisions over sets of drugs."""
