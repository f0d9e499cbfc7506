"""Is it slower? Clocks, stored benchmark runs and the verdicts on them."""
