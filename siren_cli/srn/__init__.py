"""Coded files without torch: facts, bits, checks, tables of indices."""
