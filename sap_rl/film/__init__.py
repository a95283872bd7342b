"""Games side by side as a moving picture."""
