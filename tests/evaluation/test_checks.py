"""Every check, of an evaluation or of an audit alone, against a planted case that must trip it and
one that must not."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from sap_rl.audit import checks as audits
from sap_rl.evaluation import checks
from sap_rl.evaluation.comparison import Finding, clearly_above

RNG = np.random.default_rng(0)
FRAMES = RNG.exponential(1.0, 512)  # how much each frame has to lose
LUCK = RNG.normal(0, 0.1, 512)
EPISODES = RNG.normal(0, 1, 30)

Check = Callable[[], Finding | None]


def damage(scale: float) -> np.ndarray:
    return scale * FRAMES + LUCK


def flips(share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(4000) < share


AT = {"where": "here"}
CASES: dict[str, tuple[Check, str, Check]] = {
    "zero_gradients": (
        lambda: checks.zero_gradients(0.43, **AT),
        "43%",
        lambda: checks.zero_gradients(0.0, **AT),
    ),
    "noise_as_strong": (
        lambda: audits.noise_as_strong(damage(0.5), damage(0.5)[::-1], **AT),
        "margin lost: the attack 0",
        lambda: audits.noise_as_strong(damage(0.5), damage(0.1), **AT),
    ),
    "one_step_stronger": (
        lambda: audits.one_step_stronger(damage(0.5), damage(0.3), **AT),
        "one step 0.5",
        lambda: audits.one_step_stronger(damage(0.3), damage(0.5), **AT),
    ),
    "transfer_stronger": (
        lambda: checks.transfer_stronger(damage(0.3), damage(0.5), **AT),
        "another network's 0.5",
        lambda: checks.transfer_stronger(damage(0.5), damage(0.3), **AT),
    ),
    "more_samples_matter": (
        lambda: audits.more_samples_matter(damage(0.3), damage(0.5), passes="10 and 40", **AT),
        "with 10 and 40 passes",
        # Certain, but 1% of the damage: it does not matter.
        lambda: audits.more_samples_matter(damage(0.5), damage(0.505), passes="10 and 40", **AT),
    ),
    "return_rises": (
        lambda: checks.return_rises(
            [(1.0, 100 + EPISODES), (4.0, 120 + EPISODES), (0.5, 300 + EPISODES)], **AT
        ),
        "100 at lambda 1 and 120 at 4",
        lambda: checks.return_rises(
            [(1.0, 100 + EPISODES), (4.0, 100.1 + EPISODES[::-1]), (0.5, 300 + EPISODES)], **AT
        ),
    ),
    "unbounded_survived": (
        lambda: audits.unbounded_survived(0.35, **AT),
        "35%",
        lambda: audits.unbounded_survived(0.01, **AT),
    ),
    "no_better_than_random": (
        lambda: checks.no_better_than_random(11 + EPISODES, 11 + EPISODES[::-1], **AT),
        "without any attack",
        lambda: checks.no_better_than_random(50 + EPISODES, 11 + EPISODES[::-1], **AT),
    ),
    "floor_not_reached": (
        lambda: checks.floor_not_reached(255, 50 + EPISODES, 11 + EPISODES[::-1], **AT),
        "the random policy's 1",
        lambda: checks.floor_not_reached(255, 11 + EPISODES, 11 + EPISODES[::-1], **AT),
    ),
    "black_box_stronger": (
        lambda: audits.black_box_stronger(damage(0.0), damage(0.5), **AT),
        "without gradients 0.5",
        lambda: audits.black_box_stronger(damage(0.5), damage(0.5)[::-1], **AT),
    ),
    "success_not_repeated": (
        lambda: audits.success_not_repeated(flips(0.5, 0), flips(0.5, 1), **AT),
        r"(49|50|51)% do so again",
        lambda: audits.success_not_repeated(flips(0.5, 0), flips(0.5, 0), **AT),
    ),
    "budget_lost": (
        lambda: checks.budget_lost(1.5, 1.0, **AT),
        "of lambda 1.5, 1 pixels arrive",
        lambda: checks.budget_lost(2.0, 2.0, **AT),
    ),
    "too_few_episodes": (
        lambda: checks.too_few_episodes(0.1 + EPISODES, **AT),
        "in 30 episodes may be chance",
        lambda: checks.too_few_episodes(5 + EPISODES, **AT),
    ),
    "no_variance": (
        lambda: checks.no_variance([21.0] * 30, **AT),
        "all 30 returns are 21",
        lambda: checks.no_variance([21.0, 20.0] * 15, **AT),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_planted_case_trips_and_the_other_does_not(name: str) -> None:
    trips, number, passes = CASES[name]
    finding = trips()
    assert finding is not None
    assert finding.check == name
    assert finding.where == "here"
    assert re.search(number, finding.text), finding.text
    assert len(finding.advice) > 20
    assert not finding.text.endswith(".")
    assert passes() is None


def test_every_check_has_a_case() -> None:
    """A check without a planted case, or a case whose check is gone, fails here."""
    found = {
        name
        for name, function in (vars(checks) | vars(audits)).items()
        if getattr(function, "__annotations__", {}).get("return") == "Finding | None"
        and not name.startswith("_")
    }
    assert found == set(CASES)


def test_chance_is_not_clear() -> None:
    """Of pairs without a difference about 1% are called clear, of plain differences all."""
    rng = np.random.default_rng(1)
    pairs = rng.normal(0, 1, (2000, 2, 100))
    called = np.mean([clearly_above(a, b) for a, b in pairs])
    assert 0.003 < called < 0.02  # 2000 trials of 1%: standard deviation 0.0022
    assert all(clearly_above(a + 1, b) for a, b in pairs[:200])


def test_pairs_are_compared_as_pairs() -> None:
    """A small difference on every frame is clear although frames differ by much more."""
    wide = RNG.normal(0, 100, 50)
    assert clearly_above(wide + 1 + RNG.normal(0, 0.1, 50), wide)
    assert not clearly_above((wide + 1)[::-1], wide)


def test_equal_or_single_samples_are_never_clear() -> None:
    assert not clearly_above([1.0, 2.0], [1.0, 2.0])
    assert not clearly_above([5.0], [1.0])
    assert clearly_above([2.0, 3.0], [1.0, 2.0]), "a constant difference is certain"
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        clearly_above([1.0, 2.0], [1.0])


def test_episodes_needed() -> None:
    """Mean 1, standard deviation 5.1: 1.96 * 5.1 / sqrt(n) < 1 from n = 100."""
    difference = 1 + 5.1 * np.array([1.0, -1.0] * 8) * np.sqrt(15 / 16)
    finding = checks.too_few_episodes(difference, where="")
    assert finding is not None
    assert "about 100 episodes" in finding.advice
    assert checks.too_few_episodes([0.0, 0.0], where="") is None, "nothing is claimed"


def test_returns_are_shown_as_returns() -> None:
    finding = checks.transfer_stronger(
        -(544 + EPISODES), -(430 + EPISODES), where="", unit="return"
    )
    assert finding is not None
    assert re.search(r"own gradient 54\d\.\d, another network's 4[23]\d\.\d", finding.text)
