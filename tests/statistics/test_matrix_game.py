"""Zero-sum games whose solution is known, and a fictitious-play twin for the others."""

from __future__ import annotations

import numpy as np
import pytest

from sap_rl.statistics.matrix_game import Solution, solve


def solved(*rows: list[float]) -> Solution:
    return solve(np.array(rows, dtype=np.float64))


KNOWN = [
    ("matching pennies", [[1, -1], [-1, 1]], 0, [1 / 2, 1 / 2], [1 / 2, 1 / 2]),
    ("rock, paper, scissors", [[0, -1, 1], [1, 0, -1], [-1, 1, 0]], 0, [1 / 3] * 3, [1 / 3] * 3),
    # x (3, 1) + (1 - x) (2, 4) is level at x = 1/2; y (3, 2) + (1 - y) (1, 4) at y = 3/4.
    ("two by two", [[3, 1], [2, 4]], 2.5, [1 / 2, 1 / 2], [3 / 4, 1 / 4]),
    ("a saddle point", [[4, 3, 8], [2, 1, 9]], 3, [1, 0], [0, 1, 0]),
    ("a dominated row", [[3, 1], [2, 4], [1, 0]], 2.5, [1 / 2, 1 / 2, 0], [3 / 4, 1 / 4]),
    ("a dominated column", [[3, 1, 9], [2, 4, 9]], 2.5, [1 / 2, 1 / 2], [3 / 4, 1 / 4, 0]),
    ("one of each", [[-7]], -7, [1], [1]),
    ("large returns", [[3e6, 1e6], [2e6, 4e6]], 2.5e6, [1 / 2, 1 / 2], [3 / 4, 1 / 4]),
    ("small differences", [[900.03, 900.01], [900.02, 900.04]], 900.025, [0.5, 0.5], [0.75, 0.25]),
]


@pytest.mark.parametrize(
    ("name", "payoff", "value", "rows", "columns"), KNOWN, ids=lambda v: str(v)[:20]
)
def test_known_games(
    name: str, payoff: list[list[float]], value: float, rows: list[float], columns: list[float]
) -> None:
    game = solved(*payoff)
    assert game.value == pytest.approx(value)
    assert list(game.rows) == pytest.approx(rows, abs=1e-6)
    assert list(game.columns) == pytest.approx(columns, abs=1e-6)
    assert game.gap == pytest.approx(0, abs=1e-6 * max(1.0, np.abs(payoff).max()))


def test_exploitability_by_hand() -> None:
    game = solved([3, 1], [2, 4])
    assert list(game.secured) == [1, 2]
    assert list(game.conceded) == [3, 4]
    assert list(game.row_exploitability) == pytest.approx([1.5, 0.5])
    assert list(game.column_exploitability) == pytest.approx([0.5, 1.5])


def test_equal_payoffs_have_that_value() -> None:
    game = solve(np.full((3, 4), 5.0))
    assert game.value == 5.0
    assert game.rows.sum() == pytest.approx(1)


def fictitious_play(payoff: np.ndarray, rounds: int) -> tuple[float, float]:
    """Bounds of the value: both sides reply to what the other has done so far (Brown 1951)."""
    rows, columns = np.zeros(payoff.shape[0]), np.zeros(payoff.shape[1])
    rows[0] = columns[0] = 1
    lowest, highest = -np.inf, np.inf
    for _ in range(rounds):
        against_columns, against_rows = payoff @ columns, rows @ payoff
        lowest = max(lowest, against_rows.min() / rows.sum())
        highest = min(highest, against_columns.max() / columns.sum())
        rows[against_columns.argmax()] += 1
        columns[against_rows.argmin()] += 1
    return lowest, highest


def test_random_games_lie_between_fictitious_plays_bounds() -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        payoff = rng.lognormal(3, 1, rng.integers(1, 6, size=2))
        low, high = fictitious_play(payoff, 2000)
        game = solve(payoff)
        slack = 1e-6 * payoff.max()
        assert low - slack <= game.value <= high + slack
        assert high - low < 0.1 * payoff.max(), "the twin has come close"
        assert (game.row_exploitability >= -slack).all()
        assert (game.column_exploitability >= -slack).all()
        assert abs(game.gap) < slack


def test_two_by_two_is_the_brute_force_maximum() -> None:
    rng = np.random.default_rng(1)
    shares = np.linspace(0, 1, 2001)
    for _ in range(10):
        payoff = rng.normal(0, 1, (2, 3))
        brute = np.max(
            np.min(np.outer(shares, payoff[0]) + np.outer(1 - shares, payoff[1]), axis=1)
        )
        assert solve(payoff).value == pytest.approx(brute, abs=5e-3)  # steps of 1/2000


def test_refusals() -> None:
    for bad in (np.zeros((0, 2)), np.zeros(3), np.array([[1.0, np.nan]]), np.array([[np.inf]])):
        with pytest.raises(ValueError, match="finite matrix"):
            solve(bad)
