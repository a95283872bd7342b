"""Two games' cells, clean and attacked, with every frame that the players saw and were shown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import sap_rl
from sap_rl import Adversary, Attacked, Evaluation, Protocol
from sap_rl.play.attacked_player import AttackedPlayer

GAMES = ("BankHeist", "Assault")
MAIN_JOB = (
    "eval", "--game", "BankHeist", "--lambda", "4", "--episodes", "4", "--max-frames", "1200",
    "--threads", "1",
)  # fmt: skip
ROW = (
    "arm", "lam", "victim", "returns", "lengths", "truncated", "flip_rate", "self_flip_rate",
    "linf_max", "linf_mean", "change_mean", "idle",
)  # fmt: skip
"""What is golden of a row: what happened, not how long it took."""


class Spies:
    """Hashes what players see, by their defence, and what each adversary makes, in order."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.tampered: dict[Adversary, Any] = {}

    def decide(self, player: AttackedPlayer, *args: Any) -> Any:
        """As `AttackedPlayer.decide`."""
        found = self.real_decide(player, *args)
        hashed = self.seen.setdefault(player.agent.defense or "plain", hashlib.sha256())
        assert player.seen is not None
        hashed.update(player.seen.pixels.numpy().tobytes())
        return found

    def perturb(self, adversary: Adversary, *args: Any) -> Attacked:
        """As `Adversary.perturb`."""
        found = self.real_perturb(adversary, *args)
        hashed = self.tampered.setdefault(adversary, hashlib.sha256())
        hashed.update(found.pixels.numpy().tobytes())
        return found

    @contextmanager
    def watching(self) -> Iterator[None]:
        """In place of both methods within the block."""
        self.real_decide, self.real_perturb = AttackedPlayer.decide, Adversary.perturb
        decide = mock.patch.object(AttackedPlayer, "decide", lambda *given: self.decide(*given))
        perturb = mock.patch.object(Adversary, "perturb", lambda *given: self.perturb(*given))
        with decide, perturb:
            yield


def play(game: str) -> dict[str, Any]:
    """Plain and sap-100, clean and under FGSM at lambda 1, two games of 300 steps each."""
    spies = Spies()
    with spies.watching():
        found = sap_rl.evaluate(
            game, game, lam=1, defense="sap-100", victims=("own",), episodes=2, num_envs=2,
            seed=0, controls=False, protocol=Protocol(max_frames=1200, grad_samples=2),
        )  # fmt: skip
    return {
        "rows": rows_of(found),
        "seen": {name: hashed.hexdigest() for name, hashed in spies.seen.items()},
        "tampered": [hashed.hexdigest() for hashed in spies.tampered.values()],
    }


def rows_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What is golden of every row, as plain JSON."""
    rows = [{name: getattr(row, name) for name in ROW} for row in evaluation.rows]
    return [{k: list(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in rows]
