"""Plays the games of one arm and counts what happens in them."""

RECORD_EVERY = 40
"""Steps between recorded frames: neighbours would be nearly the same frame."""
