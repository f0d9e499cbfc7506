"""Two interpreters timed against each other, in rounds of fresh processes."""
