"""Training data: cache, batches and augmentation."""
