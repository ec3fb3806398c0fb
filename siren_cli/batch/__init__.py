"""Batches of files: plan, work, engines and report."""
