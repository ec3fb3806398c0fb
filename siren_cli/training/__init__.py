"""Training: `siren train` turns recordings into a model that `siren encode` loads."""
