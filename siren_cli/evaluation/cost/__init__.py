"""Computational cost of coding: speed, start-up, memory."""
