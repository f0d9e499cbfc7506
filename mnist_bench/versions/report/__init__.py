"""The page of the versions: its facts, plots, documents and exports."""
