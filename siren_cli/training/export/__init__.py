"""A trained run to the folder of a model."""
