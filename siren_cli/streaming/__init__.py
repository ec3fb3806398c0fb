"""Recordings of any length, damaged files, files of limited size."""
