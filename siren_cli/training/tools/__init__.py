"""Tools beside training: comparison, weight averaging, speaker probe, packaged voices."""
