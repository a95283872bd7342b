"""Builds the report about evaluations: one self-contained HTML page."""
