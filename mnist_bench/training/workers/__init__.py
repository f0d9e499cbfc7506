"""Child processes: other interpreters, and many trainings at a time."""
