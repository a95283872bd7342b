"""Tests whether an attack was strong enough, by a suite of attacks on frames, then in games."""
