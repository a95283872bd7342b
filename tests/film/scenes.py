"""Scenes whose every pixel is known."""

from __future__ import annotations

import numpy as np

from sap_rl.film.games import FilmFacts, Scene, View

ACTIONS = ("NOOP", "FIRE", "UP", "DOWNLEFTFIRE")
FACTS = FilmFacts(
    game="BankHeist", agent="BankHeist", players=("original", "sap-100"),
    victims=("own", "original"), lam=2.0, attack="fgsm", seed=7, episode=3, emulator_seed=123,
    actions=ACTIONS, step_seconds=1 / 15,
)  # fmt: skip


def view(step: int, *, ended: bool = False) -> View:
    """Clean: a grey that grows to the right; the attacker's left half adds lambda, its right half
    takes it away, a square in the middle is left alone."""
    clean = np.broadcast_to(np.arange(60, 144, dtype=np.uint8), (84, 84)).copy()
    change = np.where(np.arange(84) < 42, 2.0, -2.0) * np.ones((84, 1))
    change[32:52, 32:52] = 0
    return View(
        clean=clean,
        tampered=(clean + change).astype(np.float32),
        on_clean=np.array([3.0, 1.0, 1.0, 1.0], np.float32),
        on_tampered=np.array([1.0, 1.0, 1.0, 3.0], np.float32),
        wanted=0,
        chosen=3,
        played=3,
        score=10.0 * step,
        steps=step,
        flips=step,
        self_flips=0,
        ended=ended,
    )


def scenes(count: int, *, noise: int | None = None) -> list[Scene]:
    """Both players see the same; noise: a seed of perturbations that do not repeat."""
    found = []
    rng = None if noise is None else np.random.default_rng(noise)
    for step in range(1, count + 1):
        both = view(step), view(step, ended=step == count)
        if rng is not None:
            for one in both:
                signs = rng.choice([-2.0, 2.0], size=one.clean.shape)
                one.tampered[:] = one.clean + signs
        found.append(Scene(step, both))
    return found
