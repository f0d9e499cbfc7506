"""Two environments compared by a user's own model: measured side by side, judged, and answered in a sentence."""
