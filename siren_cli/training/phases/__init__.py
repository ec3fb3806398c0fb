"""Phases of training, one a module."""
