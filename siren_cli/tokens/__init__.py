"""The indices of many recordings as one table for research, and back (docs/tokens.md)."""
