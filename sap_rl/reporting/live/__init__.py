"""Shows a run while it goes on: progress bars, lines and TensorBoard."""
