"""Draws evaluations as figures for papers, pages and TensorBoard."""
