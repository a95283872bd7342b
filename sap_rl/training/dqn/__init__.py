"""The Double-DQN trainer."""
