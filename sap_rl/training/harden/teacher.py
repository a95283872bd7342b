"""What an agent must be to be hardened."""

from __future__ import annotations

import numpy as np

from sap_rl.agents import Agent
from sap_rl.atari.games import game_facts
from sap_rl.attacks.gradients import is_random
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Row
from sap_rl.play.players import some_frames

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
