"""Export: a trained run → the folder of a model."""
