"""Exit statuses of `sap-rl`; 0 is success."""

FAILED_STATUS = 1
"""A check failed, or a comparison found a difference."""
USAGE_STATUS = 2
"""Bad input."""
INTERRUPTED_STATUS = 130
"""Ctrl-C or SIGTERM."""
