"""Reads people's files of weights, executing nothing of them, and what formats make of tensors."""
