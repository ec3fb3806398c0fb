"""Speaker voices: found, averaged, blended."""
