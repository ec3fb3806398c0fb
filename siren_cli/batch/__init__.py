"""Many files at once: what is to be done, who does it, and what became of it."""
