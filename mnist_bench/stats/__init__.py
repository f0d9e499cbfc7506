"""Arrays in, numbers out: tests, intervals, power, looks, ratios of times."""
