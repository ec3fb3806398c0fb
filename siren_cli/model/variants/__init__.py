"""Networks that no shipped model uses."""
