"""Makes a trained agent robust by adversarial distillation from itself."""
