"""Makes the emulators, says how games are played for a score, and states facts about them."""
