"""Rules as text, and what tells them apart."""

from __future__ import annotations

from sap_rl.atari.protocol import Protocol
from sap_rl.evaluation.rules import rules_apart, rules_of
from tests.evaluation.made_up import rewritten
from tests.reporting.made import evaluation


def test_only_the_rules_that_differ_are_said() -> None:
    plain = rules_of(evaluation())
    short = rules_of(evaluation(protocol=Protocol(max_frames=1000)))
    both = rules_of(evaluation(protocol=Protocol(max_frames=1000, epsilon=0.5)))
    assert rules_apart(plain, [plain]) == rules_apart(plain, []) == ""
    assert rules_apart(short, [plain, short]) == "max frames 1000"
    assert rules_apart(both, [both, short, plain]) == "epsilon 0.5, max frames 1000"
    assert rules_apart(plain, [both, plain]) == "epsilon 0.01, max frames 18000"


def test_how_the_agent_sees_and_who_played_are_no_rules() -> None:
    whole = evaluation()
    seen = rewritten(whole, protocol={"preprocess": {"scale": "pixels"}})
    assert rules_of(whole) == rules_of(seen) == rules_of(evaluation(seed=1, agent="x"))
    assert rules_of(whole) != rules_of(evaluation(precision="bfloat16"))
