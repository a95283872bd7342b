"""Results as the cells of a page's tables: text, nothing computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sap_rl.evaluation.code_version import in_versions, told
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.plain import json_line, to_plain
from sap_rl.play.arms import gradient_words
from sap_rl.reporting.page.command import repetition
from sap_rl.reporting.tables.text import (
    DASH,
    Cell,
    flags_text,
    mean_cell,
    noise_text,
    paper_text,
    percent_cell,
    points_cell,
)


@dataclass(frozen=True)
class HeadlineGroup:
    """One evaluation in the headline table: its name, and a row of cells by column per lambda."""

    name: str
    rows: tuple[dict[str, Cell], ...]


def headline(evaluation: Evaluation, attack: str) -> HeadlineGroup:
    """The change under the stronger attack per lambda, the returns alone if none was defended."""
    lams = sorted({row.lam for row in evaluation.rows})
    rows = tuple(_headline_row(evaluation, lam) for lam in lams)
    return HeadlineGroup(f"{evaluation_name(evaluation)}, {attack}", rows)


def _headline_row(evaluation: Evaluation, lam: float) -> dict[str, Cell]:
    found = {
        "lam": (f"{lam:g}", ""),
        "original": _whole(evaluation.row("original", lam, "own" if lam else None)),
        "random": _whole(evaluation.row("random")),
    }
    change = next((c for c in evaluation.changes if c.headline and c.lam == lam), None)
    if change is None:
        names = ("defended", "points", "change", "paper", "verdict", "flags", "noise-control")
        return found | dict.fromkeys(names, DASH)
    return found | {
        "defended": _whole(evaluation.row("defended", lam, change.victim)),
        "noise-control": _whole(evaluation.row("noise-control", lam, change.victim)),
        "points": points_cell(change),
        "change": percent_cell(change),
        "paper": (paper_text(change), ""),
        "verdict": (change.verdict, gradient_words(change.victim) if change.victim else ""),
        "flags": (flags_text(change.flags), ""),
    }


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
    yield "attack", settings.attack
    yield "defense", _plain(settings.defense)
    yield "lams", _plain(settings.lams)
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


def _whole(row: Row | None) -> Cell:
    """A complete arm's mean, else a dash: the short episodes end first and would pass for it."""
    return mean_cell(row) if row is not None and row.complete else DASH


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, dict):
        return json_line(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
