"""The arithmetic of a user's own model: its steps read, its double in float64, its gradients by differences."""
