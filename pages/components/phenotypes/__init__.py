"""The Phenotypes page."""
