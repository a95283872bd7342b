"""Keeps cells and episodes in SQLite, lists them and exports them."""
