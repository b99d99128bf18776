"""Questions to a finished registry run: its policies, their values and comparisons, what it would give one patient."""
