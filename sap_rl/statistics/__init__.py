"""Computes intervals, significance, aggregates and matrix games: numbers in, numbers out."""
