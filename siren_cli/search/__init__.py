"""The encoder's search for indices."""
