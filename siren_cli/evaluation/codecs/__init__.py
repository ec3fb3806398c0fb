"""The codecs under test, and damage to what they send."""
