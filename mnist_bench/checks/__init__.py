"""Is it right? Checks, baselines and the verdicts on them."""
