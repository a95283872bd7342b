"""Shows results as tables, figures, pages and live lines; nothing is computed here."""
