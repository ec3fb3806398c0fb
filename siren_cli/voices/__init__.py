"""Speaker voices: library, averages and blends."""
