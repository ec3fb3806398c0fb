"""Neural prior: network, fit and report."""
