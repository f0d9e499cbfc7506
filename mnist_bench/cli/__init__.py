"""The command: one module a command, or a family of them."""
