"""What an evaluation says, in a sentence per lambda: the first thing that every view shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sap_rl.evaluation.results import Change, Evaluation, Row
from sap_rl.reporting.tables.text import player_name, signed_text

UNCLAIMED = {
    "weak_attack_only": "nothing is claimed of {who}, which was not attacked on its own gradient",
    "no_controls": "nothing is claimed of {who}, for the controls were not played",
}
"""Flags of a change that forbid a claim, and what is said instead of one."""


def answers(evaluation: Evaluation) -> list[str]:
    """A sentence per lambda or severity, and one of what the defence costs on clean frames.

    Of complete arms alone; where a clean original is missing there is nothing to say yet.
    """
    clean = _complete(evaluation.row("original"))
    if clean is None:
        return ["Interrupted before the undisturbed agent had played: nothing can be said."]
    levels = sorted(level for level in evaluation.settings.levels if level > 0)
    said = [line for level in levels for line in _attacked(evaluation, level, clean)]
    if not levels:
        said.append(f"{evaluation.settings.game}: {_points(clean.mean)} points undisturbed.")
    return said + list(_price(evaluation, clean))


def summary(evaluations: Sequence[Evaluation]) -> str:
    """How often the defences help, over lambdas above 0 and severities; empty where nothing was
    defended."""
    verdicts = [c.verdict for e in evaluations for c in e.changes if c.headline and c.lam]
    if not verdicts:
        return ""
    counts = [verdicts.count(name) for name in ("helps", "harms", "unclear")]
    said = "helps in {}, harms in {} and is unclear in {}".format(*counts)
    attacked = any(evaluation.settings.corruption is None for evaluation in evaluations)
    where = "Under attack" if attacked else "On spoilt frames"
    return f"{where} the defence {said} of {len(verdicts)} comparisons."


def _attacked(evaluation: Evaluation, lam: float, clean: Row) -> Iterator[str]:
    """What is kept at one lambda or severity, and whether the defence helps there."""
    found = _complete(evaluation.original(lam))
    if found is None:
        return
    game = evaluation.settings.game
    start = f"At {found.level} {game} {_keeps(found, clean)}"
    start += f" under {evaluation.settings.attack_title}" if found.victim else ""
    change = next((c for c in evaluation.changes if c.headline and c.lam == lam), None)
    random = _complete(evaluation.row("random"))
    beside = f"random play {_points(random.mean)}" if random else ""
    defended = None
    if change is not None:
        defended = _complete(evaluation.row("defended", lam, change.victim))
    if change is None or defended is None:
        yield f"{start}{f' ({beside})' if beside else ''}."
    else:
        said = ", ".join(part for part in (_points(defended.mean), beside) if part)
        yield f"{start}; {_verdict(change, player_name(defended))} ({said})."


def _verdict(change: Change, who: str) -> str:
    """Whether the defended player, called `who`, does better than the original."""
    if change.verdict in ("helps", "harms"):
        return f"{who} {change.verdict}"
    for flag, said in UNCLAIMED.items():
        if flag in change.flags:
            return said.format(who=who)
    if "at_floor" in change.flags:
        return f"{who} does not help: both play as at random"
    if "no_better_than_noise" in change.flags:
        return f"{who} does no better than noise that flips as many actions"
    bounds = change.difference_low, change.difference_high
    return f"whether {who} helps is open, {signed_text(change.difference, *bounds, unit=' points')}"


def _price(evaluation: Evaluation, clean: Row) -> Iterator[str]:
    """What the defence costs where nobody attacks, if it is told from chance."""
    change = next((c for c in evaluation.changes if c.lam == 0), None)
    defended = _complete(evaluation.row("defended"))
    if change is not None and defended is not None and change.verdict == "harms":
        yield f"Undisturbed, {player_name(defended)} {_keeps(defended, clean)}."


def _keeps(found: Row, clean: Row) -> str:
    """`keeps 2 of 943 points`; where returns may be negative `scores -21 instead of 19`."""
    assert found.mean is not None
    assert clean.mean is not None
    if clean.mean > 0 and found.mean >= 0:
        return f"keeps {_points(found.mean)} of {_points(clean.mean)} points"
    return f"scores {_points(found.mean)} instead of {_points(clean.mean)}"


def _complete(row: Row | None) -> Row | None:
    """A complete arm with a mean: the short episodes end first and would pass for it."""
    return row if row is not None and row.complete and row.mean is not None else None


def _points(value: float | None) -> str:
    """A return as it is said in a sentence: without decimals from 10 on."""
    assert value is not None
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}".removesuffix(".0")
