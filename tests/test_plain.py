"""Dataclasses as plain JSON: whatever is written comes back, and nothing else is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sap_rl import Preprocess, Protocol, UsageError
from sap_rl.attacks.schedule import Schedule
from sap_rl.audit.frames import FrameResult
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.facts import AgentFacts, Made, Origin
from sap_rl.evaluation.results import Change
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.plain import from_plain, json_line, json_object, to_plain
from sap_rl.play.arm_stats import ArmFacts, ArmStats, Share
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.statistics.sequential import StoppingRule
from sap_rl.texts import read_json

SEES = Preprocess(crop=(1, 2, 150, 140), scale="pixels", full_action_space=True)
RULE = StoppingRule(0.1 + 0.2, "points", 3, 99, 0.9)
ORIGIN = Origin("a.pt", {"format": "sb3", "preprocess": {"crop": (1, 2, 3, 4), "scale": "unit"}})
SETTINGS = Settings(
    "BankHeist", (2.5, 4 / 3), "pgd", {"steps": 3, "objective": "margin"}, "sap-50",
    {"skip": ("2", "4"), "sampler": "exact"}, ("other",), "full", Schedule("rate", 0.25, 2.0), 3, 2,
    9, False, "bfloat16", Protocol(0.25, 3, 0.05, 999, "uint8", "newest", 4, 2),
    look_level=0.99,
)  # fmt: skip
STATS = ArmStats([Episode(0, 1.1, 9, True)], 7, 2, Share(1 / 7, 3), linf_max=0.5, seconds=0.1)
CHANGE = Change("Pong", 1.0, None, True, None, -1e-300, 2.0, 7.0, None, 1 / 3, ("at_floor",), 3.1)
ROW = make_row(SETTINGS, Arm("original", 0.5, "other"), ArmFacts("pgd", grad_samples=4), STATS)
FRAMES = FrameResult(
    "defended", "pgd", 0.5, 0.1, 0.2, 0.3, (0.1, -0.2), (1e9, 0.0), (True,), (False,), 0.4, 2.0, 1.0
)
VALUES = (
    SEES, RULE, ORIGIN, SETTINGS, STATS, CHANGE, ROW, FRAMES,
    AgentFacts("a", None, SEES, "cpu", 2, "00", "b", "11", ORIGIN),
    Made({"python": "3"}, "abc", "c0de", RULE),
    ArmFacts("pgd", "sap-50", "mask", 10, 2, 0.01, "bfloat16", "exact/2"),
    Finding("weak_attack", "lambda 0.25", "what", "advice"),
)  # fmt: skip
"""One of each record, most fields other than by default."""


@dataclass(frozen=True)
class Inner:
    name: str
    share: float = 0.5
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner
    several: tuple[Inner, ...] = ()
    options: dict[str, bool | int | float | str | tuple[bool | int | float | str, ...] | None] = (
        field(default_factory=dict)
    )


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_written_comes_back(value: Any) -> None:
    for plain in (read_json(json_object(value)), read_json(json_line(value)), to_plain(value)):
        found = from_plain(type(value), plain)
        assert found == value
        assert vars(found) == vars(value)


numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.one_of(st.booleans(), st.integers(-9, 9), numbers, st.text())


@settings(max_examples=30, deadline=None)
@given(st.text(), numbers, st.dictionaries(st.text(), words | st.none() | st.tuples(words, words)))
def test_every_text_number_and_option_comes_back(name: str, share: float, given: Any) -> None:
    value = Outer(Inner(name, share), (Inner("b"),), given)
    found = from_plain(Outer, read_json(json_object(value)))
    assert repr(found) == repr(value), "True is not 1, nor 1.0"


def test_lists_become_tuples_and_absent_fields_their_defaults() -> None:
    plain = read_json('{"inner": {"name": "a"}, "options": {"skip": ["2", 3], "steps": 4}}')
    found = from_plain(Outer, plain)
    assert found == Outer(Inner("a"), options={"skip": ("2", 3), "steps": 4})
    assert to_plain(found)["inner"] == {"name": "a", "share": 0.5, "words": ()}
    assert type(found.options["steps"]) is int


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ({}, "missing required field `inner`"),
        ({"inner": {"name": "a"}, "outer": 1}, r"unknown field - at `\$.outer`"),
        ({"inner": {"name": 3}}, r"Expected `str`, got `int` - at `\$.inner.name`"),
        ({"inner": {"name": "a", "share": "0.5"}}, r"Expected `float`, got `str`"),
        ({"inner": {"name": "a", "words": "ab"}}, "Expected `array`, got `str`"),
        ({"inner": {"name": "a"}, "several": [{"name": "b"}, {"name": "c", "nme": 1}]},
         r"unknown field - at `\$.several\[1\].nme`"),
        ({"inner": {"name": "a"}, "options": {"a": {"b": 1}}}, r"got `object` - at `\$.options"),
        ([], "Expected `object`, got `array`"),
    ],
)  # fmt: skip
def test_anything_else_is_one_line_with_its_place(plain: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        from_plain(Outer, plain)
    assert "\n" not in str(caught.value)


def test_what_the_dataclass_refuses_is_refused() -> None:
    plain = to_plain(Settings("BankHeist", (1.0,)))
    for other, why in (
        ({"precision": "half"}, "unknown precision 'half'; choose from float32"),
        ({"protocol": {"epsilon": 2.0}}, r"epsilon must lie in 0..1, got 2.0 - at `\$.protocol`"),
        ({"protocol": {"frames": "some"}}, r"'some' - at `\$.protocol.frames`"),
    ):
        with pytest.raises(UsageError, match=why):
            from_plain(Settings, plain | other)


def test_nan_is_neither_written_nor_read() -> None:
    for value in (float("nan"), float("inf"), np.float64("nan"), [np.array([np.nan])]):
        for write in (json_object, json_line):
            with pytest.raises(ValueError, match="not JSON compliant"):
                write({"a": value})
    for text in ('{"a": NaN}', "Infinity", "", "{", b"\xff"):
        with pytest.raises(UsageError):
            read_json(text)


def test_arrays_and_numbers_of_numpy_are_plain() -> None:
    given = {"a": np.arange(3), "b": (np.float64(0.1), np.bool_(True)), "c": Inner("d")}
    plain = {"a": [0, 1, 2], "b": [0.1, True], "c": {"name": "d", "share": 0.5, "words": []}}
    assert json.loads(json_line(given)) == plain
    assert json_line({"b": 1, "a": 2}) == '{"a": 2, "b": 1}'


def test_a_change_of_one_float_is_seen() -> None:
    rule = StoppingRule(0.1 + 0.2)
    assert from_plain(StoppingRule, read_json(json_line(rule))) == rule
    assert from_plain(StoppingRule, read_json(json_line(replace(rule, width=0.3)))) != rule
