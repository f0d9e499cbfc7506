"""The command `selftest`: faults planted on purpose, and what the checks say of each."""
