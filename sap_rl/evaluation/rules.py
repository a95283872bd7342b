"""The rules under which an evaluation was played, and what tells them from others' in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sap_rl.evaluation.results import Evaluation


def rules_of(evaluation: Evaluation) -> str:
    """The protocol and the precision as text: only results of equal rules are comparable.

    How an agent sees frames is not among them: it belongs to the agent.
    """
    rules = {k: v for k, v in evaluation.protocol.items() if k != "preprocess"}
    rules["precision"] = evaluation.config["precision"]
    return json.dumps(rules, sort_keys=True)


def rules_apart(rules: str, alike: Sequence[str]) -> str:
    """The rules that are not those of all others of one name, in words; empty where all are."""
    plain: list[Mapping[str, Any]] = [json.loads(text) for text in alike]
    mine = json.loads(rules)
    names = [name for name in mine if any(other.get(name) != mine[name] for other in plain)]
    return ", ".join(f"{name.replace('_', ' ')} {mine[name]}" for name in names)
