"""Two environments, measured together until it is decided whether the second is worse."""
