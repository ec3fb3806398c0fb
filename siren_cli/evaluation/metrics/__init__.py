"""Objective metrics of decoded speech, one kind a module."""
