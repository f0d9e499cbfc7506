"""Data, models and engines; one training, or many."""
