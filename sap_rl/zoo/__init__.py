"""Agents as they are scored and published."""
