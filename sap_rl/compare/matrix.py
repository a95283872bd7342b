"""Attack against defence as a zero-sum game: payoffs from evaluations, mixtures, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sap_rl.compare.payoffs import Payoffs, payoffs
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.plain import json_object
from sap_rl.seeds import numpy_stream
from sap_rl.statistics.intervals import Array, mean_interval
from sap_rl.statistics.matrix_game import Solution, solve


@dataclass(frozen=True)
class HeldOut:
    """What choices made on half of the episodes are worth on the other half, both ways averaged.

    secured: by the mixture of defences against the best reply there, on average no more than the
    value; conceded: by the mixture of attacks, on average no less; pure: secured by the defence
    that was best alone.
    """

    secured: float
    conceded: float
    pure: float


@dataclass(frozen=True)
class MatrixGame:
    """One game at one lambda.

    payoffs: mean returns and their episodes; solution: of their means; low, high: 95% interval of
    the value, None where there is none; held_out: None with fewer than four episodes.
    """

    payoffs: Payoffs
    solution: Solution
    low: float | None
    high: float | None
    held_out: HeldOut | None

    @property
    def informed(self) -> float:
        """What the best mixture of defences keeps from an attacker who sees which was drawn."""
        return float(self.solution.rows @ self.solution.secured)

    def plain(self) -> dict[str, Any]:
        """What its JSON says, without the single episodes."""
        found, game = self.payoffs, self.solution
        return {
            "game": found.game,
            "lambda": found.lam,
            "episodes": found.episodes,
            "looked": found.looked,
            "defenses": found.defenses,
            "attacks": found.attacks,
            "payoff": found.means,
            "left_out": found.left_out,
            "missing": found.missing,
            "value": game.value,
            "low": self.low,
            "high": self.high,
            "gap": game.gap,
            "defense_mixture": game.rows,
            "attack_mixture": game.columns,
            "defense_secures": game.secured,
            "attack_concedes": game.conceded,
            "defense_exploitability": game.row_exploitability,
            "attack_exploitability": game.column_exploitability,
            "informed": self.informed,
            "held_out": self.held_out,
        }


def matrix_games(evaluations: Sequence[Evaluation], *, seed: int = 0) -> tuple[MatrixGame, ...]:
    """The matrix game of every game and lambda above 0, in that order.

    UsageError where none is complete.

    seed: of the bootstrap.
    """
    found = payoffs(evaluations)
    if not found:
        raise UsageError("no attacked cell was played: a game needs attacks and defences")
    return tuple(matrix_game(each, seed=seed) for each in found)


def matrix_game(played: Payoffs, *, seed: int = 0) -> MatrixGame:
    """Solve one game of mean returns, with an interval of its value."""
    rng = numpy_stream(seed, "bootstrap", "game", played.game, str(played.lam))
    low, high = value_interval(played.returns, rng=rng)
    return MatrixGame(played, solve(played.means), low, high, held_out(played.returns))


def matrix_games_json(found: Sequence[MatrixGame]) -> str:
    """One JSON object; never NaN or Infinity."""
    return json_object({"contests": [each.plain() for each in found]})


def value_interval(
    returns: Array, *, rng: np.random.Generator, resamples: int = 10_000, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Interval of a game's value from returns [D, A, E], entries paired by episode.

    From below the value is what the mixture of defences found here keeps from its worst attack,
    from above what the mixture of attacks leaves to its best defence: the least and the largest BCa
    bound among those replies. So the interval grows where a best reply to noise flatters a side,
    which resampled values would hide. None where a reply has no interval (see `mean_interval`).
    """
    game = solve(returns.mean(axis=2))
    low = _bounds(np.einsum("d,dae->ae", game.rows, returns), rng, resamples, level)
    high = _bounds(np.einsum("a,dae->de", game.columns, returns), rng, resamples, level)
    if low is None or high is None:
        return None, None
    return low[0], high[1]


def _bounds(
    replies: Array, rng: np.random.Generator, resamples: int, level: float
) -> tuple[float, float] | None:
    """The least lower and the largest upper bound of the mean of replies [N, E].

    A reply whose returns are all equal counts with its mean, unless all are such.
    """
    found = [mean_interval(r, rng=rng, resamples=resamples, level=level) for r in replies]
    if any(i.low is None and i.flags != ("no_variance",) for i in found):
        return None
    if all(i.low is None for i in found):
        return None
    return (
        min(i.mean if i.low is None else i.low for i in found),
        max(i.mean if i.high is None else i.high for i in found),
    )


def held_out(returns: Array) -> HeldOut | None:
    """Choose on the even episodes of [D, A, E], judge on the odd ones, and the reverse."""
    if returns.shape[2] < 4:
        return None
    halves = returns[:, :, 0::2].mean(axis=2), returns[:, :, 1::2].mean(axis=2)
    found = []
    for chosen_on, judged_on in (halves, halves[::-1]):
        game = solve(chosen_on)
        best = int(np.argmax(game.secured))
        found.append(
            (
                (game.rows @ judged_on).min(),
                (judged_on @ game.columns).max(),
                judged_on[best].min(),
            )
        )
    return HeldOut(*(float(value) for value in np.mean(found, axis=0)))
