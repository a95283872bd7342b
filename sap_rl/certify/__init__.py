"""Bounds on action values: what no attack inside the budget can change."""
