"""A lakehouse folder on this machine."""
