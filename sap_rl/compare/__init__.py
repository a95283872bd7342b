"""Evaluations beside each other and beside the paper; nothing is played here."""
