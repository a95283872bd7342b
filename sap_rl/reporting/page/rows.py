"""Results as the cells of a page's tables: text, nothing computed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sap_rl.evaluation.code_version import in_versions, told
from sap_rl.evaluation.results import LEVEL, Change, Evaluation, Row
from sap_rl.reporting.page.command import repetition
from sap_rl.reporting.tables.evaluation import number_text, percent_text, player_name

GRADIENTS = {None: "-", "self": "own", "original": "original's", "other": "another's"}

Cell = tuple[str, str]
"""A number and, below it, its interval; empty where there is none."""

DASH: Cell = ("-", "")


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
        "original": _whole(evaluation.row("original", lam, "self" if lam else None)),
        "random": _whole(evaluation.row("random")),
    }
    change = next((c for c in evaluation.changes if c.headline and c.lam == lam), None)
    if change is None:
        names = ("defended", "points", "change", "paper", "verdict", "flags", "matched")
        return found | dict.fromkeys(names, DASH)
    gradient = f"{GRADIENTS.get(change.victim, str(change.victim))} gradient"
    return found | {
        "defended": _whole(evaluation.row("defended", lam, change.victim)),
        "matched": _whole(evaluation.row("matched", lam, change.victim)),
        "points": points_cell(change),
        "change": percent_cell(change),
        "paper": (paper_text(change), ""),
        "verdict": (change.verdict, gradient if change.victim else ""),
        "flags": (flags_text(change.flags), ""),
    }


def evaluation_name(evaluation: Evaluation) -> str:
    """What it is about, in a line."""
    config = evaluation.config
    return f"{config['game']}: {config['defense'] or 'no defence'} on agent {config['agent']}"


def change_row(change: Change) -> dict[str, str | Cell]:
    """One lambda and victim."""
    return {
        "lam": f"{change.lam:g}",
        "gradient": GRADIENTS.get(change.victim, str(change.victim)),
        "headline": "yes" if change.headline and change.victim else "",
        "change": percent_cell(change),
        "points": points_cell(change),
        "paper": paper_text(change),
        "verdict": change.verdict,
        "flags": flags_text(change.flags),
    }


def return_row(row: Row) -> dict[str, str | Cell]:
    """One arm."""
    return {
        "lam": f"{row.lam:g}",
        "player": player_name(row),
        "gradient": GRADIENTS.get(row.victim, str(row.victim)),
        "return": _mean(row),
        "normalised": "-" if row.normalised is None else f"{row.normalised:.2f}",
        "flips": percent_text(row.flip_rate),
        "self": percent_text(row.self_flip_rate),
        "largest": "-" if row.linf_max is None else f"{row.linf_max:.4g}",
        "linf": "-" if row.linf_mean is None else f"{row.linf_mean:.4g}",
        "pixel": "-" if row.change_mean is None else f"{row.change_mean:.3g}",
        "episodes": str(row.episodes) + ("" if row.complete else ", incomplete"),
        "cut": str(row.truncated),
        "flags": flags_text(row.flags),
    }


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
    config = evaluation.config
    kept = ("attack", "defense", "lams", "victims", "episodes", "seed", "precision", "num_envs",
            "threads", "device")  # fmt: skip
    pairs = list(_agent_pairs(config))
    pairs += [(name, _plain(config[name])) for name in kept]
    for name in ("attack_options", "defense_options", "attack_backward", "schedule"):
        if config[name]:
            pairs.append((name.replace("_", " "), _plain(config[name])))
    pairs += [
        (name.replace("_", " "), _plain(value)) for name, value in evaluation.protocol.items()
    ]
    if config.get("until"):
        pairs.append(("stopping rule", _plain(config["until"])))
    pairs.append(("level of the intervals", f"{100 * config.get('look_level', LEVEL):.4g}%"))
    pairs.append(("versions", ", ".join(f"{k} {v}" for k, v in evaluation.versions.items())))
    made = in_versions({"code": None, **config}, config["attack"], config["defense"])
    pairs += [("commit", _plain(config.get("commit"))), ("code", _plain(told(made["code"])))]
    said, command = repetition(evaluation)
    return {
        "name": evaluation_name(evaluation),
        "pairs": pairs,
        "said": said,
        "command": command,
    }


def _agent_pairs(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who played, from where it was loaded, and the hashes of everybody's file."""
    sha256 = config["agent_sha256"]
    yield "agent", config["agent"]
    yield "loaded from", config.get("agent_ref") or "not recorded"
    if config.get("agent_loading"):
        yield "loaded with", _plain(config["agent_loading"])
    yield "sha256 of its weights", sha256 or "-"
    defended = config.get("defended_sha256")
    if config["defense"] is not None and defended != sha256:
        yield "sha256 of the defended agent's weights", defended or "not recorded"
    if config.get("other"):
        yield "other agent", f"{config['other']}, sha256 {config['other_sha256'] or '-'}"
        yield "other agent loaded from", config.get("other_ref") or "not recorded"


def percent_cell(change: Change) -> Cell:
    """In percent; a dash where no percentage can be said."""
    if change.percent is None:
        return DASH
    return f"{change.percent:+.1f}%", _bounds(change.ci_low, change.ci_high)


def points_cell(change: Change) -> Cell:
    """In points of return."""
    bounds = _bounds(change.difference_low, change.difference_high)
    return f"{change.difference:+.1f}", bounds


def paper_text(change: Change) -> str:
    """What the paper prints, where its protocol was followed."""
    return "-" if change.paper_percent is None else f"{change.paper_percent:+.1f}%"


def flags_text(flags: Sequence[str]) -> str:
    """In words."""
    return "; ".join(flag.replace("_", " ") for flag in flags)


def _whole(row: Row | None) -> Cell:
    """Of a complete arm: some of its episodes, the short ones first, would pass for its mean."""
    return _mean(row) if row is not None and row.complete else DASH


def _mean(row: Row | None) -> Cell:
    if row is None or row.mean is None:
        return DASH
    if row.ci_low is None or row.ci_high is None:
        return number_text(row.mean), ""
    return number_text(row.mean), f"{number_text(row.ci_low)} to {number_text(row.ci_high)}"


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return f"{value:g}" if isinstance(value, float) else str(value)
