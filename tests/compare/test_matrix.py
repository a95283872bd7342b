"""Attack against defence: which entries the matrix has, and how sure its value is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sap_rl.atari.protocol import Protocol
from sap_rl.compare import payoffs as payoffs_module
from sap_rl.compare.matrix import held_out, matrix_games, matrix_games_json, value_interval
from sap_rl.compare.payoffs import payoffs
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.statistics.intervals import mean_interval
from sap_rl.statistics.matrix_game import solve
from tests.evaluation.made_up import made_up, rewritten

LUCK = np.random.default_rng(0).normal(0, 1, 12)


def against(
    attack: str, defense: str, original: float, own: float, other: float, **options: object
) -> Evaluation:
    """One defence under one attack at lambda 1, on both gradients."""
    return made_up(
        {
            ("original", 0.0, None): 500 + LUCK,
            ("defended", 0.0, None): 400 + LUCK,
            ("original", 1.0, "own"): original + LUCK,
            ("defended", 1.0, "own"): own + LUCK,
            ("defended", 1.0, "original"): other + LUCK,
        },
        attack=attack, defense=defense, **options,
    )  # fmt: skip


def store() -> list[Evaluation]:
    return [
        against("fgsm", "sap-100", 50, 80, 70),
        against("fgsm", "sap-50", 50, 60, 75),
        against("pgd", "sap-100", 10, 40, 90),
        against("pgd", "sap-50", 10, 55, 30),
    ]


def test_the_matrix_by_hand() -> None:
    """The original's entry stands in both columns of an attack: it is its own victim."""
    (found,) = payoffs(store())
    assert found.defenses == ("none", "sap-100", "sap-50")
    assert found.attacks == ("fgsm/original", "fgsm/own", "pgd/original", "pgd/own")
    expected = np.array([[50, 50, 10, 10], [70, 80, 90, 40], [75, 60, 30, 55]]) + LUCK.mean()
    assert found.means == pytest.approx(expected)
    assert (found.game, found.lam, found.episodes) == ("BankHeist", 1.0, 12)
    assert (found.missing, found.left_out) == ((), ())


def test_the_contest_by_hand() -> None:
    """sap-100 and sap-50 against pgd on either gradient: x (90, 40) + (1 - x) (30, 55) is level at
    x = 1/3, 50; the attacker's mixture y (90, 30) + (1 - y) (40, 55) at y = 1/5."""
    (found,) = matrix_games(store())
    shift = LUCK.mean()
    assert found.solution.value == pytest.approx(50 + shift)
    assert list(found.solution.rows) == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-6)
    assert list(found.solution.columns) == pytest.approx([0, 0, 1 / 5, 4 / 5], abs=1e-6)
    assert found.informed == pytest.approx(40 / 3 + 60 / 3 + shift)  # the worst for each: 40, 30
    expected = mean_interval(50 + LUCK, rng=np.random.default_rng(0))
    assert found.low == pytest.approx(expected.low, abs=0.05)  # luck is common to all entries
    assert found.high == pytest.approx(expected.high, abs=0.05)
    plain = json.loads(matrix_games_json([found]))["contests"][0]
    assert plain["value"] == found.solution.value
    assert plain["lambda"] == 1.0


def test_missing_entries_are_not_guessed() -> None:
    (found,) = payoffs(store()[:3])  # sap-50 was never attacked with pgd
    assert found.missing == (("sap-50", "pgd/original"), ("sap-50", "pgd/own"))
    assert found.left_out == ("sap-50",)
    assert found.defenses == ("none", "sap-100")
    assert len(found.attacks) == 4


def test_more_attacks_go_before_more_defences() -> None:
    """2 x 2 with either: of equal parts the one that does not flatter the defender."""
    extra = made_up({("original", 1.0, "own"): 5 + LUCK}, attack="noise", defense=None)
    own = {("original", 1.0, "own"): 50 + LUCK, ("defended", 1.0, "own"): 80 + LUCK}
    (found,) = payoffs([made_up(own), extra])
    assert found.defenses == ("none",)
    assert found.attacks == ("fgsm/own", "noise/own")
    assert found.left_out == ("sap-100",)


def test_several_agents_are_named() -> None:
    hard = made_up({("original", 1.0, "own"): 300 + LUCK}, agent="Hard", defense=None)
    plain = made_up({("original", 1.0, "own"): 50 + LUCK}, defense=None)
    (found,) = payoffs([plain, hard])
    assert sorted(found.defenses) == ["BankHeist: none", "Hard: none"]
    assert sorted(found.means[:, 0]) == pytest.approx([50 + LUCK.mean(), 300 + LUCK.mean()])


def test_entries_are_paired_over_their_common_episodes() -> None:
    short = made_up({("original", 1.0, "own"): np.arange(5.0)}, attack="noise", defense=None)
    (found,) = payoffs([against("fgsm", "sap-100", 50, 80, 70), short])
    assert found.defenses == ("none", "sap-100"), "2 x 2 is more than 1 x 3"
    (found,) = payoffs([made_up({("original", 1.0, "own"): LUCK}, defense=None), short])
    assert found.episodes == 5
    assert found.returns[0].tolist() == [LUCK[:5].tolist(), [0, 1, 2, 3, 4]]


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no attacked cell"):
        matrix_games([made_up({("original", 0.0, None): LUCK}, defense=None)])
    with pytest.raises(UsageError, match="share no seed"):
        payoffs([store()[0], against("pgd", "sap-100", 1, 2, 3, seed=1)])
    own = {("defended", 1.0, "own"): LUCK}
    rules = Protocol(max_frames=3000)
    with pytest.raises(UsageError, match="different protocols: max_frames 18000 against 3000"):
        payoffs([made_up(own), made_up(own, attack="pgd", protocol=rules)])
    monkeypatch.setattr(payoffs_module, "MAX_CHOICES", 2)
    with pytest.raises(UsageError, match="3 defences with missing entries"):
        payoffs(store()[:3])


def test_constant_returns_have_no_interval_but_do_not_hide_the_others() -> None:
    rng = np.random.default_rng(0)
    constant = np.full((2, 2, 10), 3.0)
    assert value_interval(constant, rng=rng, resamples=50) == (None, None)
    constant[0] += np.arange(10)
    assert value_interval(constant, rng=rng, resamples=50) != (None, None)
    assert value_interval(np.ones((1, 1, 1)), rng=rng, resamples=50) == (None, None)


def test_held_out_halves_by_hand() -> None:
    """Even episodes show matching pennies with the first row favoured, odd ones the second."""
    even, odd = np.array([[2.0, 2.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [5.0, 5.0]])
    found = held_out(np.stack([even, odd] * 2, axis=2))
    assert found is not None
    assert (found.secured, found.pure) == (0.5, 0.5)  # row 0 gives 0 there, row 1 gives 1
    assert found.conceded == 3.5  # 5 and 2
    assert held_out(np.ones((2, 2, 3))) is None


def test_coverage_and_the_bias_of_best_replies() -> None:
    """3 x 4 entries of equal means, 20 lognormal episodes: the plug-in value is biased, the
    interval holds the truth in 95% of 60 games or more (nearly all), the halves bracket it."""
    rng = np.random.default_rng(2)
    inside, secured, conceded = 0, [], []
    for _ in range(60):
        returns = rng.lognormal(-0.5, 1, (3, 4, 20))
        low, high = value_interval(returns, rng=rng, resamples=200)
        assert low is not None
        assert high is not None
        inside += low <= 1.0 <= high
        halves = held_out(returns)
        assert halves is not None
        secured.append(halves.secured)
        conceded.append(halves.conceded)
    assert inside >= 57
    assert np.mean(secured) < 1.0 < np.mean(conceded)


@pytest.mark.slow
def test_the_coverage_that_the_documentation_states() -> None:
    """400 games each; the numbers stand in docs/statistics.md."""
    rng = np.random.default_rng(3)
    cases = {"mixed 2 x 2": np.array([[3.0, 1.0], [1.0, 3.0]]), "equal 3 x 6": np.full((3, 6), 2.0)}
    for name, payoff in cases.items():
        for episodes in (10, 30, 100):
            inside, plug_in = 0, []
            for _ in range(400):
                returns = payoff[:, :, None] * rng.lognormal(-0.5, 1, (*payoff.shape, episodes))
                low, high = value_interval(returns, rng=rng, resamples=500)
                inside += low is not None and high is not None and low <= 2.0 <= high
                plug_in.append(solve(returns.mean(axis=2)).value)
            print(f"| {name} | {episodes} | {inside / 4:.1f}% | {np.mean(plug_in) - 2:+.2f} |")  # noqa: T201
            assert inside / 400 > 0.9


def test_two_agents_of_one_name_are_rows_of_their_own_whichever_comes_first() -> None:
    one = against("fgsm", "sap-100", 50, 80, 70, agent="final")
    two = against("fgsm", "sap-100", 150, 20, 170, agent="final")
    side = [rewritten(found, agent_sha256=digit * 64) for found, digit in ((one, "a"), (two, "b"))]
    first, second = matrix_games(side), matrix_games(side[::-1])
    assert [c.solution.value for c in first] == [c.solution.value for c in second]
    assert first[0].payoffs.defenses == (
        "final@aaaaaaaa: none", "final@bbbbbbbb: none", "final@aaaaaaaa: sap-100",
        "final@bbbbbbbb: sap-100",
    )  # fmt: skip
    expected = np.array([[50, 50], [150, 150], [70, 80], [170, 20]]) + LUCK.mean()
    assert first[0].payoffs.means == pytest.approx(expected)
