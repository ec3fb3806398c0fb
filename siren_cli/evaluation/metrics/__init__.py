"""The metrics, one kind a module."""
