"""One layer of checks a module: what runs in the environment under test."""
