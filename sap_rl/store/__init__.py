"""Cells and episodes in SQLite: kept, listed, exported."""
