"""Computes bounds on action values, which no attack inside the budget can leave."""
