"""The stages of training, one a module."""
