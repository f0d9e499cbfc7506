"""A user's own model: its file, its stages, its double in float64, its trainings, and two environments compared."""
