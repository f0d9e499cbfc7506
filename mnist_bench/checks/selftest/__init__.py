"""The checks held against planted faults: which check sees each fault first, and whether the cause named is right."""
