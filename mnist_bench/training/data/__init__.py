"""The data sets: found, verified or generated, and prepared as the lab does."""
