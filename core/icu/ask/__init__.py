"""Questions to a finished run of the ICU study, answered from its stored arrays."""
