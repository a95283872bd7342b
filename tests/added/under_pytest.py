"""A plugin of pytest: the three lines, once the checker of annotations is in place."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    import lines  # noqa: F401
