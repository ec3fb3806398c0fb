"""`siren train`: from a folder of recordings to a model that `siren encode` loads."""
