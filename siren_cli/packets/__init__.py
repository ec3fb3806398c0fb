"""Recordings as packets for radio links."""
