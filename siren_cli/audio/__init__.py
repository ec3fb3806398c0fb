"""Samples: audio files, pipes and bare samples to mono at 16 kHz, and back."""
