"""Training loop of every phase: trainer, checkpoints, processes, log."""
