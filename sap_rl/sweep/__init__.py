"""Plays many evaluations cell by cell on one or several machines; it can be interrupted."""
