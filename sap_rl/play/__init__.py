"""Plays the games of one arm and counts what happens in them."""
