"""What people look at: tables, plots, TensorBoard. Nothing is computed here."""
