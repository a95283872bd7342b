"""Compares finished evaluations with each other and with the paper; nothing is played here."""
