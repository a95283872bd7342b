"""One arm's games: episodes, rollout, players, what is counted."""
