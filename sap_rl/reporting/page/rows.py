"""What a page says of evaluations besides its tables: reasons for distrust, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sap_rl.evaluation.code_version import in_versions, told
from sap_rl.evaluation.results import Evaluation
from sap_rl.plain import json_line, to_plain
from sap_rl.reporting.page.command import repetition
from sap_rl.reporting.tables.text import noise_text


def evaluation_name(evaluation: Evaluation) -> str:
    """What the evaluation is about, in one line."""
    settings, agent = evaluation.settings, evaluation.agent
    return f"{settings.game}: {settings.defense or 'no defence'} on agent {agent.name}"


@dataclass(frozen=True)
class Distrust:
    """The findings of one check: where each was found and what, and what to do about them."""

    check: str
    items: tuple[str, ...]
    advice: tuple[str, ...]


def distrust(evaluations: Sequence[Evaluation]) -> list[Distrust]:
    """The findings of all evaluations, by check."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for evaluation in evaluations:
        for finding in evaluation.checks:
            items, advice = found.setdefault(finding.check.replace("_", " "), ([], []))
            items.append(f"{evaluation_name(evaluation)}, {finding.where}: {finding.text}.")
            advice.append(f"{finding.advice}.")
    return [
        Distrust(check, tuple(items), tuple(dict.fromkeys(advice)))
        for check, (items, advice) in found.items()
    ]


def provenance_rows(evaluation: Evaluation) -> dict[str, object]:
    """Everything that the numbers rest on, as pairs of words."""
    settings, made = evaluation.settings, evaluation.made
    pairs = [*_agent_pairs(evaluation), *_settings_pairs(evaluation)]
    pairs += [
        (name.replace("_", " "), _plain(value))
        for name, value in to_plain(settings.protocol).items()
    ]
    pairs.append(("preprocess", _plain(to_plain(evaluation.agent.preprocess))))
    if made.until is not None:
        pairs.append(("stopping rule", _plain(to_plain(made.until))))
    pairs.append(("level of the intervals", f"{100 * settings.look_level:.4g}%"))
    pairs.append(("versions", ", ".join(f"{k} {v}" for k, v in made.versions.items())))
    code = in_versions({"code": made.code}, settings.attack, settings.defense)["code"]
    pairs += [("commit", _plain(made.commit)), ("code", _plain(told(code)))]
    said, command = repetition(evaluation)
    return {
        "name": evaluation_name(evaluation),
        "pairs": pairs,
        "said": said,
        "command": command,
    }


def _agent_pairs(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """Who played, from where it was loaded, and the hashes of everybody's file."""
    agent, origin = evaluation.agent, evaluation.agent.origin
    yield "agent", agent.name
    yield "loaded from", origin.agent or "not recorded"
    if origin.loading:
        yield "loaded with", _plain(origin.loading)
    yield "sha256 of its weights", agent.sha256 or "-"
    if evaluation.settings.defense is not None and agent.defended_sha256 != agent.sha256:
        yield "sha256 of the defended agent's weights", agent.defended_sha256 or "not recorded"
    if agent.other:
        yield "other agent", f"{agent.other}, sha256 {agent.other_sha256 or '-'}"
        yield "other agent loaded from", origin.other or "not recorded"


def _settings_pairs(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """What was played, options only where any were given."""
    settings, agent = evaluation.settings, evaluation.agent
    attacked = settings.corruption is None
    yield ("attack" if attacked else "corruption"), settings.tampering
    yield "defense", _plain(settings.defense)
    yield ("lams" if attacked else "severities"), _plain(settings.levels)
    if attacked:
        yield "victims", _plain(settings.victims)
    yield "episodes", _plain(settings.episodes)
    yield "seed", _plain(settings.seed)
    yield "precision", settings.precision
    yield "num_envs", _plain(settings.num_envs)
    yield "threads", _plain(agent.threads)
    yield "device", agent.device
    if settings.attack_options:
        yield "attack options", _plain(settings.attack_options)
    if settings.defense_options:
        yield "defense options", _plain(settings.defense_options)
    if settings.attack_backward:
        yield "attack backward", settings.attack_backward
    yield "schedule", _plain(to_plain(settings.schedule))
    if sigma := noise_text(evaluation.rows):
        yield "noise of the noise control", sigma


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, dict):
        return json_line(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
