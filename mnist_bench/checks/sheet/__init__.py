"""The lab sheet: its figures, facts and walk."""
