"""Options by name, from the command line or YAML, into the rooms' settings."""
