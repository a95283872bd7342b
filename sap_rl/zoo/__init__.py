"""Scores agents, and publishes them as folders with a card."""
