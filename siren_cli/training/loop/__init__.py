"""The loop all stages share, and what runs beside it."""
