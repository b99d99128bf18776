"""Users' tables: read, sniffed, checked and written; serves cohorts and registries alike."""
