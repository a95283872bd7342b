"""What a run told and left behind, to be compared with another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sap_rl.training.checkpoint import latest_checkpoint, read_checkpoint


def of(kind: type, events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def state_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    path = latest_checkpoint(folder / "checkpoints")
    assert path is not None
    saved = read_checkpoint(path)
    assert saved.replay is not None
    facts = vars(saved.progress) | {"seconds": 0}
    parts = {(p, n): v for p, part in saved.parts.items() for n, v in part.items()}
    return facts, parts, saved.replay


def assert_same(one: Path, two: Path) -> None:
    """Counters, weights, target, moments, replay and labels, bit for bit."""
    first, second = state_of(one), state_of(two)
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    assert all(value.equal(second[1][key]) for key, value in first[1].items())
    assert all((value == second[2][key]).all() for key, value in first[2].items())
