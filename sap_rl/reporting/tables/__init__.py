"""Lays results out as tables for the terminal."""
