"""What is kept and for how long: holdings with their owners, deletion, quotas, backup and restore."""
