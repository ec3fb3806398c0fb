"""Reports of an evaluation: tables, plots, spectrograms."""
