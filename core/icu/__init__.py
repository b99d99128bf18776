"""The ICU study: its run folder, its stages, what they fit and what can be asked of them."""
