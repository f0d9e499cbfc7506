"""The lab sheet: its figures, the facts compared with ours, and the walk through its sections."""
