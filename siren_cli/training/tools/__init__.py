"""Programs beside training: comparison, averages, probes, packaged voices."""
