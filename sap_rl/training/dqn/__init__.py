"""Trains an agent on a game by Double DQN."""
