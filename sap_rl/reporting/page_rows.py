"""Results as the cells of a page's tables: text, nothing computed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from sap_rl.evaluation.results import Change, Evaluation, Row
from sap_rl.reporting.command import eval_command
from sap_rl.reporting.curves import Panel
from sap_rl.reporting.tables import interval_text, number_text, percent_text, player_name

GRADIENTS = {None: "-", "self": "own", "original": "original's", "other": "another's"}

HeadlineRow = dict[str, str]


def headline_rows(panel: Panel) -> Iterator[HeadlineRow]:
    """A row per evaluation and lambda: the change under the stronger attack, or the returns alone
    where nothing was defended."""
    for evaluation in panel.evaluations:
        config = evaluation.config
        lams = sorted({row.lam for row in evaluation.rows})
        for lam in lams:
            change = next((c for c in evaluation.changes if c.headline and c.lam == lam), None)
            victim = change.victim if change is not None else None
            original = evaluation.row("original", lam, "self" if lam else None)
            yield {
                "game": config["game"],
                "agent": config["agent"],
                "attack": panel.attack if lam else "none",
                "lam": f"{lam:g}",
                "original": _mean(original),
                "defense": config["defense"] or "-",
                "defended": "-"
                if change is None
                else _mean(evaluation.row("defended", lam, victim)),
                "gradient": GRADIENTS.get(victim, str(victim)),
                "matched": "-" if change is None else _mean(evaluation.row("matched", lam, victim)),
                "random": _mean(evaluation.row("random")),
                "change": "-" if change is None else change_text(change),
                "points": "-" if change is None else points_text(change),
                "paper": "-" if change is None else paper_text(change),
                "verdict": "-" if change is None else change.verdict,
                "flags": "" if change is None else flags_text(change.flags),
            }


def change_row(change: Change) -> dict[str, str]:
    """One lambda and victim."""
    return {
        "lam": f"{change.lam:g}",
        "gradient": GRADIENTS.get(change.victim, str(change.victim)),
        "headline": "yes" if change.headline and change.victim else "",
        "change": change_text(change),
        "points": points_text(change),
        "paper": paper_text(change),
        "verdict": change.verdict,
        "flags": flags_text(change.flags),
    }


def return_row(row: Row) -> dict[str, str]:
    """One arm."""
    return {
        "lam": f"{row.lam:g}",
        "player": player_name(row),
        "gradient": GRADIENTS.get(row.victim, str(row.victim)),
        "return": number_text(row.mean),
        "interval": interval_text(row.ci_low, row.ci_high),
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


def advice_rows(evaluations: Sequence[Evaluation]) -> Iterator[dict[str, str]]:
    """Every finding of the checks."""
    for evaluation in evaluations:
        for finding in evaluation.checks:
            yield {
                "game": f"{evaluation.config['game']}, {evaluation.config['agent']}",
                "check": finding.check.replace("_", " "),
                "where": finding.where,
                "text": finding.text,
                "advice": finding.advice,
            }


def provenance_rows(evaluation: Evaluation) -> dict[str, object]:
    """Everything that the numbers rest on, as pairs of words."""
    config = evaluation.config
    kept = ("attack", "defense", "lams", "victims", "episodes", "seed", "precision", "num_envs",
            "threads", "device")  # fmt: skip
    pairs = [("agent", config["agent"]), ("sha256 of its weights", config["agent_sha256"] or "-")]
    pairs += [(name, _plain(config[name])) for name in kept]
    for name in ("attack_options", "defense_options", "attack_backward", "schedule"):
        if config[name]:
            pairs.append((name.replace("_", " "), _plain(config[name])))
    pairs += [
        (name.replace("_", " "), _plain(value)) for name, value in evaluation.protocol.items()
    ]
    pairs.append(("versions", ", ".join(f"{k} {v}" for k, v in evaluation.versions.items())))
    return {
        "name": f"{config['game']}, agent {config['agent']}, {config['defense'] or 'no defence'}",
        "pairs": pairs,
        "command": eval_command(evaluation),
    }


def change_text(change: Change) -> str:
    """In percent; a dash where no percentage can be said."""
    if change.percent is None:
        return "-"
    return f"{change.percent:+.1f}%" + _bounds(change.ci_low, change.ci_high)


def points_text(change: Change) -> str:
    """In points of return."""
    return f"{change.difference:+.1f}" + _bounds(change.difference_low, change.difference_high)


def paper_text(change: Change) -> str:
    """What the paper prints, where its protocol was followed."""
    return "-" if change.paper_percent is None else f"{change.paper_percent:+.1f}%"


def flags_text(flags: Sequence[str]) -> str:
    """In words."""
    return "; ".join(flag.replace("_", " ") for flag in flags)


def _mean(row: Row | None) -> str:
    if row is None or row.mean is None:
        return "-"
    if row.ci_low is None or row.ci_high is None:
        return number_text(row.mean)
    return f"{number_text(row.mean)} [{number_text(row.ci_low)}, {number_text(row.ci_high)}]"


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:+.1f}, {high:+.1f}]"


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return f"{value:g}" if isinstance(value, float) else str(value)
