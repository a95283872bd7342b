"""Turns options by name, from the command line or YAML, into settings."""
