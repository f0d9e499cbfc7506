"""Data, models, engines: one training, or many."""
