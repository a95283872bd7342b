"""Whether the attack was strong enough: the suite on frames, then in games."""
