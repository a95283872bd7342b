"""Adversarial distillation of a pretrained agent."""
