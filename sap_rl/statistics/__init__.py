"""Computes intervals, significance, aggregates and matrix games: numbers in, numbers out."""

LEVEL = 0.95
"""Of every interval, but where results were looked at repeatedly."""
