"""The rules under which an evaluation was played, and what tells them from others' in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sap_rl.evaluation.results import Evaluation
from sap_rl.plain import json_line, to_plain
from sap_rl.texts import read_json


def rules_of(evaluation: Evaluation) -> str:
    """The protocol and the precision as text: only results of equal rules are comparable.

    How an agent sees frames is not among them: it belongs to the agent.
    """
    settings = evaluation.settings
    return json_line(to_plain(settings.protocol) | {"precision": settings.precision})


def rules_apart(rules: str, alike: Sequence[str]) -> str:
    """The rules that are not those of all others of one name, in words; empty where all are."""
    plain: list[Mapping[str, Any]] = [read_json(text) for text in alike]
    mine = read_json(rules)
    names = [name for name in mine if any(other.get(name) != mine[name] for other in plain)]
    return ", ".join(f"{name.replace('_', ' ')} {mine[name]}" for name in names)
