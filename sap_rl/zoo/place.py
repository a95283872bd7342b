"""An agent's place in a folder of agents: who takes it, and how it is there whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from sap_rl.atari.games import game_facts
from sap_rl.evaluation.results import Row
from sap_rl.files import replace_folder
from sap_rl.seeds import numpy_stream
from sap_rl.statistics.intervals import difference_interval


def verdict(game: str, new: Row, old: Row | None = None) -> tuple[bool, str]:
    """Whether the new agent does better on the same games than the old one, and a line on it.

    old: None where there is no agent; then random play, as published, has to be beaten.
    """
    assert new.mean is not None
    if old is None:
        floor = game_facts(game).random or 0.0
        better, against = new.mean > floor, f"random play's {floor:.1f}"
    else:
        rng = numpy_stream(0, "bootstrap")
        found = difference_interval(new.returns, old.returns, rng=rng)
        better, against = found.mean > 0, f"{old.mean:.1f} on the same games: {found.mean:+.1f}"
        if found.low is not None:
            against += f" [{found.low:+.1f}, {found.high:+.1f}]"
    outcome = "the new agent takes the place" if better else "what is there stays"
    return better, f"{game}: {new.mean:.1f} against {against}; {outcome}"


def install(new: Path, place: Path) -> None:
    """Copy an agent's folder to its place, which is there whole at every moment but one rename."""
    beside = place.with_name(f".{place.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(new, beside)
    replace_folder(beside, place)


def put_back(place: Path) -> None:
    """Undo an `install` that was killed between its two renames."""
    old = place.with_name(f".{place.name}.old")
    if old.is_dir() and not place.exists():
        old.rename(place)
