"""What people read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sap_rl.atari.preprocess import Preprocess
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.evaluation.results import Change, Evaluation, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.reporting.tables.evaluation import console, evaluation_report
from sap_rl.reporting.tables.flags import FLAGS
from sap_rl.reporting.tables.text import NOISE, player_name

ROW = Row(
    game="BattleZone",
    lam=0.25,
    arm="defended",
    attack="fgsm",
    defense="sap-100",
    victim="original",
    backward=None,
    grad_samples=10,
    policy_samples=1,
    epsilon=0.01,
    precision="float32",
    sampler="exact/2",
    episodes=30,
    complete=True,
    returns=(1.0,) * 30,
    lengths=(3,) * 30,
    truncated=1,
    mean=123456.7,
    ci_low=112345.6,
    ci_high=134567.8,
    normalised=12.34,
    flip_rate=1.0,
    self_flip_rate=1.0,
    linf_max=0.25,
    linf_mean=0.25,
    change_mean=0.2,
    flags=(),
    seconds=12345.0,
    steps_per_second=12345.0,
)
CHANGE = Change(
    "BattleZone",
    0.25,
    "original",
    headline=True,
    percent=12345.6,
    ci_low=-10000.1,
    ci_high=23456.7,
    difference=5.0,
    difference_low=-10000.1,
    difference_high=20000.2,
    flags=tuple(FLAGS),
    paper_percent=3425.9,
)
SETTINGS = Settings("BattleZone", (0.25,), defense="sap-100")
AGENT = AgentFacts("BattleZone", None, Preprocess(), "cpu", 1)


def show(evaluation: Evaluation) -> str:
    with (screen := console(force_terminal=False)).capture() as capture:
        screen.print(evaluation_report(evaluation))
    return capture.get()


def of(*rows: Row, changes: tuple[Change, ...] = ()) -> Evaluation:
    return Evaluation(SETTINGS, AGENT, Made({}), 1, rows, changes)


def test_the_widest_numbers_fit_80_columns_uncut() -> None:
    text = show(of(ROW, changes=(CHANGE,)))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for number in (
        "123457",
        "112346..134568",
        "12.34",
        "+12345.6%",
        "[-10000.1, +23456.7]",
        "+3425.9%",
    ):
        assert number in text


def test_every_flag_is_explained_where_it_is_shown() -> None:
    text = " ".join(show(of(ROW, changes=(CHANGE,))).split())
    for mark, (flag, meaning) in zip("abcdefgh", FLAGS.items(), strict=True):
        assert f"{mark} {flag}: {meaning}." in text
    assert "unclear abcdefgh" in text
    assert "at_floor" not in show(of(ROW, changes=(replace(CHANGE, flags=()),)))


def test_what_is_null_is_a_dash_not_a_number() -> None:
    change = replace(CHANGE, percent=None, ci_low=None, ci_high=None, paper_percent=None)
    row = replace(ROW, ci_low=None, ci_high=None, flip_rate=None, normalised=None)
    text = show(of(row, changes=(change,)))
    assert "+5.0 points [-10000.1, +20000.2]" in text
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("low", "high", "flags", "verdict"),
    [
        (1.0, 2.0, (), "helps"),
        (1.0, 2.0, ("no_better_than_noise",), "unclear"),
        (1.0, 2.0, ("at_floor",), "unclear"),
        (-1.0, 2.0, (), "unclear"),
        (-2.0, -1.0, ("at_floor",), "harms"),
        (None, None, ("no_variance",), "unclear"),
    ],
)
def test_verdict(
    low: float | None, high: float | None, flags: tuple[str, ...], verdict: str
) -> None:
    change = replace(CHANGE, difference_low=low, difference_high=high, flags=flags)
    assert change.verdict == verdict
    assert verdict in show(of(ROW, changes=(change,)))


def test_an_incomplete_evaluation_says_so() -> None:
    short = {"episodes": 3, "returns": (1.0,) * 3, "lengths": (3,) * 3}
    row = replace(ROW, complete=False, ci_low=None, ci_high=None, **short)
    text = show(of(row))
    assert "INCOMPLETE" in text
    assert "(3 ep.)" in text


def test_the_share_of_truncated_episodes_is_printed() -> None:
    assert "1 of 30 episodes were cut short" in " ".join(show(of(ROW)).split())


@pytest.mark.parametrize(
    ("defense", "sigma"), [("q-noise-0.0396", "0.0396"), ("q-noise-5e-05", "5e-05")]
)
def test_the_noise_of_the_noise_control_is_said(defense: str, sigma: str) -> None:
    row = replace(ROW, arm="noise-control", defense=defense)
    assert player_name(row) == "noise control"
    text = " ".join(show(of(row)).split())
    assert f"noise control: {NOISE} (standard deviation {sigma})." in text
