"""Faults that are planted on purpose, to see what finds them. None is there unless a child process is told to."""
