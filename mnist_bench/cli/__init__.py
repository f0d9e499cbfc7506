"""The command `mnist-bench`: one module per command, or per family of commands."""
