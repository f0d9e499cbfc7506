"""The page of the versions: its findings, plots, documents and exports."""
