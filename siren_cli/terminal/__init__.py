"""The terminal: results, notes, progress, and the options that commands share."""
