"""What a user's own model is checked for in addition to its arithmetic: structure, chance, reproducibility."""
