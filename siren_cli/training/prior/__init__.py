"""The neural prior: network, fit, report."""
