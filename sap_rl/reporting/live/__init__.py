"""Progress: bars and TensorBoard."""
