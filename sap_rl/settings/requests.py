"""Turns options by name, from the command line or YAML, into evaluations, films and audits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sap_rl.atari.protocol import Protocol
from sap_rl.audit.settings import AuditSettings
from sap_rl.errors import UsageError
from sap_rl.evaluation.settings import BOTH, Settings
from sap_rl.schema import keyed, options_of, read_options
from sap_rl.settings.options import (
    AUDIT_RULES,
    COMMAND_DEFAULTS,
    PROTOCOL,
    Machine,
    attack_group,
    audit_options,
    defense_group,
    eval_options,
    read_number,
)

LOADING_KEYS = ("format", "preprocess", "entry")
ATTACKERS = (
    "lambda", "attack", "victim", "attack_backward", "schedule", "frames", "observation",
    "norm", "grad_samples",
)  # fmt: skip
"""Options of attacks, which mean nothing where a corruption spoils the frames."""
PLAIN_KEYS = tuple(name for name, option in options_of(Settings).items() if option.key == name)


@dataclass(frozen=True)
class EvalRequest:
    """An evaluation and whom to load for it.

    loading: options of `load_agent`; other: the agent behind victim `other`.
    """

    agent: str
    device: str
    settings: Settings
    loading: dict[str, Any] = field(default_factory=dict)
    other: str | None = None


def eval_request(options: Mapping[str, Any]) -> EvalRequest:
    """An evaluation from options by name; what is missing takes its default."""
    found = COMMAND_DEFAULTS | read_options(options, eval_options())
    corrupted = found.get("corruption") is not None
    for name in ("game",) if corrupted else ("game", "lambda"):
        if name not in found:
            raise UsageError(f"{name} is missing: say for example --game BankHeist --lambda 4")
    useless = [key for key in (*ATTACKERS, *attack_group()) if corrupted and key in found]
    if useless:
        raise UsageError(
            f"{useless[0]} belongs to attacks, and with a corruption nobody attacks: leave it out"
        )
    named = found.get("victim", BOTH)
    others = [victim for victim in named if victim not in BOTH]
    if len(others) > 1:
        raise UsageError(f"one other agent can lend its gradient, got {', '.join(others)}")
    settings = Settings(
        lams=found.get("lambda", ()),
        severities=found.get("severity", ()),
        victims=tuple(victim if victim in BOTH else "other" for victim in named),
        attack_options=_pick(found, attack_group()),
        defense_options=_pick(found, defense_group()),
        protocol=Protocol(**_pick(found, PROTOCOL)),
        **_pick(found, PLAIN_KEYS) | _defense(found),
    )
    return EvalRequest(
        found.get("agent", settings.game),
        found.get("device", Machine.device),
        settings,
        _pick(found, LOADING_KEYS) | {"game": settings.game},
        others[0] if others else None,
    )


def film_request(options: Mapping[str, Any]) -> EvalRequest:
    """The evaluation whose games are filmed, from options by name; the victim is the defended agent
    itself by default, and what says how many games are played is ignored."""
    plain = {} if options.get("corruption") else {"victim": "own"}
    return eval_request(plain | dict(options) | {"episodes": 1, "controls": False})


MAX_SECONDS = 600.0


def read_seconds(value: Any) -> float:
    """The length of a film; UsageError names a value that is none."""
    found = read_number("seconds", value)
    if not 0 < found <= MAX_SECONDS:
        raise UsageError(f"seconds must lie above 0 and up to {MAX_SECONDS:g}, got {found:g}")
    return found


def audit_settings(options: Mapping[str, Any]) -> AuditSettings:
    """An audit from options by name, others ignored; what is missing takes its default."""
    found = read_options(_pick(options, audit_options()), audit_options())
    own = {option.name: found[key] for key, option in keyed(AuditSettings).items() if key in found}
    return AuditSettings(
        defense_options=_pick(found, defense_group()),
        protocol=Protocol(**_pick(found, AUDIT_RULES)),
        **own | _defense(found),
    )


def _defense(found: Mapping[str, Any]) -> dict[str, Any]:
    """The defence as settings hold it, where it was said."""
    said = _pick(found, ("defense",))
    return {name: None if spelling == "none" else spelling for name, spelling in said.items()}


def _pick(found: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}
