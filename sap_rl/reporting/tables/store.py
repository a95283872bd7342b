"""A store's experiments as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.store.listing import Listed


def store_list(experiments: Iterable[Listed]) -> RenderableType:
    """A row per experiment; one of other versions or not read is marked."""
    table = plain_table(
        "key", "agent", "defense", "attack", "lambda", "seed", "episodes", "cap", "cells", "",
        left=("key", "agent", "defense", "attack", "lambda", ""),
    )  # fmt: skip
    hidden = old = False
    for one in experiments:
        hidden |= not one.read
        old |= one.old
        table.add_row(
            one.key,
            one.agent if one.agent == one.game else f"{one.game} {one.agent}",
            one.defense or "-",
            one.attack,
            " ".join(f"{lam:g}" for lam in one.lams),
            str(one.seed),
            str(one.episodes),
            str(one.max_frames),
            f"{one.complete}/{one.cells}",
            ", ".join(["old"] * one.old + ["not read"] * (not one.read)),
        )
    notes = {
        "old: made by other versions than this code's.": old,
        "not read: another answer to the same question is, the latest complete one if any.": hidden,
    }
    return Group(table, *(Text(note) for note, holds in notes.items() if holds))
