"""Real regressions, replayed: what the suite says of versions that are known to be bad, and of good ones."""
