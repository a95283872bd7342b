"""Training Q-networks: a loop that yields events; nothing here prints or logs."""
