"""What is written down: configurations, records, verdicts, and how files hold them."""
