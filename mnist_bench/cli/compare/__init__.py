"""The command `compare`: two environments, two records or two clocks, and what is worse in the second."""
