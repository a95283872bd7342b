"""What must be so before a hardening begins or goes on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sap_rl.agents import Agent
from sap_rl.atari.games import game_facts
from sap_rl.atari.preprocess import Preprocess, preprocess_entries
from sap_rl.attacks.gradients import is_random
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.play.players import some_frames
from sap_rl.schema import with_defaults
from sap_rl.training.checkpoint import Saved, latest_checkpoint, read_checkpoint
from sap_rl.training.dqn.restart import prepare_folder, require_same
from sap_rl.training.harden.settings import HARDEN_CHANGEABLE, HardenSettings

KIND = "harden"
"""Of a run, as its checkpoints say."""
CHECKPOINTS = "checkpoints"
Z = 2.33
"""Standard errors by which a teacher must be above random play: 99%, one-sided."""


def check_teacher(teacher: Agent, game: str) -> None:
    """Refuse at once what cannot be distilled."""
    if teacher.game is not None and teacher.game != game:
        raise UsageError(f"agent '{teacher.name}' plays {teacher.game}, not {game}")
    if teacher.defense is not None:
        raise UsageError(
            f"agent '{teacher.name}' carries {teacher.defense}: harden the plain one and defend "
            "that"
        )
    if is_random(teacher.q_function, some_frames(teacher)):
        raise UsageError(f"agent '{teacher.name}' is random: its values teach nothing exact")


def require_skill(teacher: Agent, row: Row) -> None:
    """Refuse a teacher that scores like random play."""
    floor = game_facts(row.game).random
    if floor is None or row.mean is None:
        return
    error = float(np.std(row.returns, ddof=1)) / len(row.returns) ** 0.5 if row.episodes > 1 else 0
    if row.mean - Z * error <= floor:
        raise UsageError(
            f"agent '{teacher.name}' scores {row.mean:.1f} over {row.episodes} episodes of "
            f"{row.game}, random play {floor:g}: there is nothing to distil"
        )


def last_state(folder: Path | None, resume: bool) -> Saved | None:
    """Make the run's folder; the checkpoint to go on from."""
    if folder is None:
        if resume:
            raise UsageError("nothing to resume without a folder")
        return None
    prepare_folder(folder, resume=resume)
    last = latest_checkpoint(folder / CHECKPOINTS)
    return read_checkpoint(last) if last is not None else None


def check_identity(saved: Saved, now: dict[str, Any]) -> None:
    """Refuse a checkpoint that was made otherwise than asked for now."""
    was = saved.run
    if was.get("kind") != KIND:
        raise UsageError(f"'{saved.path}' is no hardening's; resume it with `sap-rl train`")
    pairs = [(name, was[name], now[name]) for name in ("game", "seed", "agent_sha256")]
    pairs += [("agent", was["agent"], now["agent"])] if "agent" in was else []
    then = was.get("made_with", {})
    pairs += [
        (name, then[name], now["made_with"][name]) for name in ("threads", "dtype") if name in then
    ]
    pairs += _views(was.get("preprocess", now["preprocess"]), now["preprocess"])
    settings = with_defaults(HardenSettings, was["settings"])
    for name, value in now["settings"].items():
        unasked = name == "updates" and not value
        if name not in HARDEN_CHANGEABLE and not unasked:
            pairs.append((name, settings[name], value))
    require_same(saved.path, pairs)


def _views(was: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What two teachers see, by entry; JSON keeps no tuples, and an old run not every entry."""
    then, today = (asdict(Preprocess(**preprocess_entries(entries))) for entries in (was, now))
    return [(f"preprocess.{name}", value, today[name]) for name, value in then.items()]
