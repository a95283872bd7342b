"""Trains Q-networks in a loop that yields events; nothing here prints."""
