"""The noise control: the plain agent with noise on its action values, as much as makes it flip as
often as the defended agent does by itself."""

from __future__ import annotations

import numpy as np

from sap_rl.defenses.names import NOISE_CONTROL
from sap_rl.play.players import Players
from sap_rl.seeds import numpy_stream

MATCH_EVERY = 8
"""Steps of the defended agent's clean play between those whose values set its noise."""


def matching_sigma(values: np.ndarray, rate: float, *, rng: np.random.Generator) -> float:
    """The noise on action values that flips the greedy action as often as `rate`.

    values [n, A]: noiseless action values on clean frames; rate: share of frames on which two noisy
    looks choose different actions. Bisection in log sigma with common random numbers; 0 for rate 0.
    """
    if rate <= 0 or not len(values):
        return 0.0
    spread = float(values.std()) or 1.0
    first, second = rng.standard_normal((2, *values.shape)).astype(values.dtype)
    low, high = np.log(1e-6 * spread), np.log(1e3 * spread)
    for _ in range(40):
        middle = (low + high) / 2
        sigma = np.exp(middle)
        flips = (values + sigma * first).argmax(1) != (values + sigma * second).argmax(1)
        low, high = (middle, high) if flips.mean() < rate else (low, middle)
    return float(np.exp((low + high) / 2))


def matched_sigma(players: Players, values: np.ndarray, rate: float) -> float:
    """`matching_sigma` for agents that average over passes, which shrinks the noise."""
    sigma = matching_sigma(values, rate, rng=numpy_stream(players.seed, "match"))
    return float(sigma * players.protocol.policy_samples**0.5)


def add_noise_control(players: Players, sigma: float) -> None:
    """Let the plain agent with that noise on its action values play as the noise control."""
    players.noise_control = players.plain.defend(f"{NOISE_CONTROL}-{sigma:.4g}", seed=players.seed)
