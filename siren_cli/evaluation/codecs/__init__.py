"""Codecs under test, and transmission errors in what they send."""
