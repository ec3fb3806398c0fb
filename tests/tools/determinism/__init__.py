"""`make determinism`: the same bytes from every way of computing them, on every NumPy and Python that is at hand."""
