"""Training data: the cache, batches drawn from it, augmentation."""
