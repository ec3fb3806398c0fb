"""The losses of training, one kind a module."""
