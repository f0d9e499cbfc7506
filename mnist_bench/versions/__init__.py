"""Since which version? The matrix of versions, its records and comparisons."""
