"""Which rows of evaluations make one line of a figure, and what the line is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sap_rl.evaluation.results import Change, Evaluation, Row
from sap_rl.evaluation.rules import rules_apart, rules_of
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arms import gradient_words
from sap_rl.reporting.tables.levels import level_words
from sap_rl.reporting.tables.text import player_name


@dataclass(frozen=True)
class Curve:
    """One line: rows by lambda, the clean one first where it was played.

    arm: as in `Row`; victim: `headline` where each lambda has the stronger attack of those played;
    agent: place of its agent in the panel.
    """

    label: str
    arm: str
    victim: str | None
    agent: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ChangeCurve:
    """One line of percentage changes by lambda; victim as in `Curve`."""

    label: str
    victim: str | None
    agent: int
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Panel:
    """What is drawn in one pair of axes: evaluations of one game under one attack and equal rules.

    attack: in words, behind it the rules that tell it from another panel.
    """

    game: str
    attack: str
    evaluations: tuple[Evaluation, ...]

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents' names; the same name with another hash is another agent."""
        return tuple(name for name, _ in self._keys())

    def place(self, evaluation: Evaluation) -> int:
        """The position of the evaluation's agent in `agents`."""
        return self._keys().index(_agent_key(evaluation))

    @property
    def corruption(self) -> str | None:
        """What spoils the frames instead of an attack."""
        return self.evaluations[0].settings.corruption

    @property
    def level(self) -> str:
        """What says how strongly frames are tampered with: lambda, or a corruption's unit."""
        return level_words(self.evaluations[0].settings)[0]

    @property
    def several(self) -> bool:
        """Whether lines of different evaluations must be told apart."""
        return len(self.evaluations) > 1

    def _keys(self) -> list[tuple[str, str | None]]:
        return list(dict.fromkeys(_agent_key(evaluation) for evaluation in self.evaluations))


def panels(evaluations: Iterable[Evaluation]) -> tuple[Panel, ...]:
    """Evaluations by game, then by attack, then by rules; those of one panel are comparable."""
    key = _panel_key
    ordered = sorted(evaluations, key=key)
    groups = {at: tuple(group) for at, group in groupby(ordered, key)}
    found = []
    for (game, attack, rules), group in groups.items():
        apart = rules_apart(rules, [r for g, a, r in groups if (g, a) == (game, attack)])
        found.append(Panel(game, f"{attack} ({apart})" if apart else attack, group))
    return tuple(found)


def attack_words(settings: Settings) -> str:
    """The attack with all that makes it another one, or the corruption."""
    if settings.corruption is not None:
        return settings.corruption
    protocol = settings.protocol
    options = [f"{key} {value}" for key, value in sorted(settings.attack_options.items())]
    if settings.schedule.when != "every":
        options.append(settings.schedule.text.replace("-", " ", 1))
    if settings.attack_backward:
        options.append(f"backward {settings.attack_backward}")
    if protocol.frames != "all":
        options.append(f"{protocol.frames} frame")
    if protocol.norm != "linf":
        options.append(protocol.norm)
    if protocol.observation != "float":
        options.append(protocol.observation)
    return ", ".join([settings.attack, *options])


def curves(panel: Panel) -> tuple[Curve, ...]:
    """The lines of a panel: every arm of a single evaluation; of several the undefended, the
    defended under the stronger attack, and the random player once. Complete arms alone."""
    found: list[Curve] = []
    for evaluation in panel.evaluations:
        for curve in _curves(evaluation, panel):
            if curve.rows and not any(_same(curve, other) for other in found):
                found.append(curve)
    return tuple(_told_apart(found))


def change_curves(panel: Panel) -> tuple[ChangeCurve, ...]:
    """The changes of a panel, by victim; of several evaluations the headline ones."""
    found = []
    for evaluation in panel.evaluations:
        clean = tuple(change for change in evaluation.changes if change.lam == 0)
        attacked = [change for change in evaluation.changes if change.lam > 0]
        if panel.several:
            groups = {"headline": [change for change in attacked if change.headline]}
        else:
            victims = dict.fromkeys(change.victim for change in attacked)
            groups = {v or "": [c for c in attacked if c.victim == v] for v in victims}
        for victim, changes in (groups or {"headline": []}).items():
            label = _defended_label(evaluation, victim, panel)
            if changes or clean:
                place = panel.place(evaluation)
                found.append(ChangeCurve(label, victim or None, place, (*clean, *changes)))
            clean = ()  # once: without an attacker there is no victim
    return tuple(_told_apart(found))


def _curves(evaluation: Evaluation, panel: Panel) -> Iterable[Curve]:
    rows = [row for row in evaluation.rows if row.complete and row.mean is not None]
    place = panel.place(evaluation)
    for arm in ("random", "original", "defended", "noise-control"):
        here = [row for row in rows if row.arm == arm]
        if not here or (panel.several and arm == "noise-control"):
            continue
        clean = tuple(row for row in here if row.lam == 0)
        attacked = sorted((row for row in here if row.lam > 0), key=lambda row: row.lam)
        if panel.several and arm == "defended":
            strongest = {(c.lam, c.victim) for c in evaluation.changes if c.headline and c.lam}
            chosen = tuple(row for row in attacked if (row.lam, row.victim) in strongest)
            label = _defended_label(evaluation, "headline", panel)
            yield Curve(label, arm, "headline", place, clean + chosen)
            continue
        for victim in dict.fromkeys(row.victim for row in attacked) or {None: None}:
            line = clean + tuple(row for row in attacked if row.victim == victim)
            yield Curve(_label(here[0], victim, panel, evaluation), arm, victim, place, line)


def _label(row: Row, victim: str | None, panel: Panel, evaluation: Evaluation) -> str:
    if row.arm == "random":
        return "random policy"
    name = player_name(row)
    if row.arm == "original":
        return evaluation.agent.name if len(panel.agents) > 1 else name
    return f"{name}, {gradient_words(victim)}" if victim else name


def _defended_label(evaluation: Evaluation, victim: str, panel: Panel) -> str:
    name = str(evaluation.settings.defense)
    if len(panel.agents) > 1:
        name = f"{evaluation.agent.name} + {name}"
    return name if victim in ("headline", "") else f"{name}, {gradient_words(victim)}"


def _told_apart(found: Sequence[Any]) -> list[Any]:
    """Lines of one label get a number each."""
    labels = [curve.label for curve in found]
    return [
        replace(curve, label=f"{curve.label} ({labels[: i + 1].count(curve.label)})")
        if labels.count(curve.label) > 1
        else curve
        for i, curve in enumerate(found)
    ]


def _same(one: Curve, other: Curve) -> bool:
    """Whether a second line would say nothing new: the same agent's games, or a random player's."""
    if one.arm == other.arm == "random":
        return True
    return (one.arm, one.agent, one.rows) == (other.arm, other.agent, other.rows)


def _agent_key(evaluation: Evaluation) -> tuple[str, str | None]:
    return evaluation.agent.name, evaluation.agent.sha256


def _panel_key(evaluation: Evaluation) -> tuple[str, str, str]:
    settings = evaluation.settings
    return settings.game, attack_words(settings), rules_of(evaluation)
