"""`make bench`: how fast SIREN is beside other neural codecs, and how fast it starts.

Nothing here asserts on a clock.
"""
