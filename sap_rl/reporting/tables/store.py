"""What a store holds as tables: experiments, and cells that none of them asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sap_rl.errors import printable
from sap_rl.play.arms import todays_name
from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.reporting.tables.text import victim_text
from sap_rl.store.listing import Listed
from sap_rl.store.records import CellRecord

ALONE = "Cells of no experiment: an audit's games, or what was played for one that was dropped."


def store_list(
    experiments: Sequence[Listed], alone: Sequence[CellRecord] = ()
) -> RenderableType:  # fmt: skip
    """A row per experiment, then one per cell that stands alone; an empty store has the heading of
    the first."""
    parts: list[RenderableType] = []
    if experiments or not alone:
        parts.append(_experiments(experiments))
    if alone:
        parts += [Text(ALONE), _cells(alone)]
    return Group(*parts)


def _experiments(experiments: Iterable[Listed]) -> RenderableType:
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


def _cells(cells: Iterable[CellRecord]) -> Table:
    """A row per cell: who played under what, and how many of its episodes are kept."""
    words = ("key", "game", "player", "gradient", "attack")
    table = plain_table(*words, "level", "seed", "episodes", left=words)
    for cell in cells:
        facts = cell.manifest
        spoilt = "corruption" in facts
        said = [
            facts.get("game"),
            facts.get("defense") or todays_name(facts.get("arm")),
            victim_text(todays_name(facts.get("victim"))),
            facts.get("corruption" if spoilt else "attack"),
            facts.get("severity" if spoilt else "lambda"),
            facts.get("seed"),
        ]
        played = f"{len(cell.arm_stats.episodes)}/{_word(facts.get('episodes'))}"
        table.add_row(cell.key, *map(_word, said), played)
    return table


def _word(said: Any) -> str:
    """What a cell's manifest says, a dash for nothing."""
    if said is None:
        return "-"
    return printable(f"{said:g}" if isinstance(said, float) else str(said), 40)
