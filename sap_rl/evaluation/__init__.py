"""Plays the arms of an evaluation and makes results of them: rows, changes and checks."""
