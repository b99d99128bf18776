"""Who may do what, and what they did: sign-in settings, persons and roles, the audit trail, the engine's door."""
