"""What people see, if several wings share it."""
