"""Packages of extras, asked for before any work is done."""

from __future__ import annotations

from importlib import import_module

from sap_rl.errors import UsageError

DATAFRAMES = ("pandas",)
FIGURES = ("matplotlib.figure",)
FILMS = ("av", "matplotlib", "PIL.Image")
LEARNERS = ("stable_baselines3",)
PAGES = ("jinja2", *FIGURES)


def require(modules: tuple[str, ...], what: str, extra: str = "report") -> None:
    """Refuse in one line where an extra is not installed."""
    for name in modules:
        try:
            import_module(name)
        except ImportError as error:
            raise UsageError(
                f"{what} need {name.partition('.')[0]}: pip install 'sap-rl[{extra}]'"
            ) from error
