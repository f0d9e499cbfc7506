"""What people see, as far as several wings share it."""
