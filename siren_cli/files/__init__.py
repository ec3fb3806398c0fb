"""Bytes from and to files, streams and folders."""
