"""The world: emulators, the protocol they are played under, and facts about the games."""
