"""What was played: the cells of evaluations under names by which two collections can be matched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.plain import to_plain
from sap_rl.play.arms import gradient_words, level_text
from sap_rl.play.defended_name import ANOTHER

DIGITS = 8
"""Digits of a file's sha256 that are shown where two agents have the same name."""
UNSAID = "unsaid"
"""Stands for what one side does not state."""


@dataclass(frozen=True, order=True)
class CellName:
    """What a cell is: who plays which game how defended, and who attacks it how strongly.

    agent: empty for the random policy; victim, attack, defense: empty where there is none; attack
    and defense: spelled with their options. A corruption stands in the attack's place, its severity
    in that of lam, and there is no victim. The noise control is named by the defence whose
    flips it matches. Names that several files bear carry the first digits of their hashes; see
    `lookalikes`.
    """

    game: str
    agent: str
    arm: str
    lam: float
    victim: str = ""
    attack: str = ""
    defense: str = ""

    @property
    def player(self) -> str:
        """Who plays: random, original, sap-100, or the noise control of sap-100."""
        named = {"defended": self.defense, "noise-control": f"noise control of {self.defense}"}
        return named.get(self.arm, self.arm)

    @property
    def text(self) -> str:
        """The whole name in words."""
        who = " ".join(part for part in (self.game, self.agent, self.player) if part)
        if not self.attack:
            return f"{who}, clean"
        if not self.victim:
            return f"{who}, {level_text(self.attack, self.lam)}"
        return f"{who}, {self.attack} at lambda {self.lam:g} on {gradient_words(self.victim)}"


@dataclass(frozen=True)
class NamedFile:
    """A name that stands for a file; kind: the part of a `CellName` that it is."""

    kind: Literal["agent", "defense", "victim"]
    game: str
    name: str


@dataclass(frozen=True)
class Played:
    """A complete cell: its row, the seed of its episodes, and the facts of the evaluation.

    protocol: every rule that its returns depend on; said: what may differ between cells of one
    name and is worth saying.
    """

    name: CellName
    row: Row
    seed: int
    protocol: dict[str, Any]
    said: dict[str, str]


def played_cells(
    evaluations: Iterable[Evaluation], where: str, alike: Collection[NamedFile] = ()
) -> dict[CellName, dict[int, Played]]:
    """Complete cells by name and seed; of repeated ones that with the most episodes.

    where: what the evaluations are called in an error; alike: further names that several files
    bear, besides those among these evaluations. UsageError where cells of one name were played
    under different protocols, with what differs.
    """
    given = tuple(evaluations)
    several = {*alike, *lookalikes(given)}
    found: dict[CellName, dict[int, Played]] = {}
    for evaluation in given:
        for cell in _cells(evaluation, several):
            seeds = found.setdefault(cell.name, {})
            other = next(iter(seeds.values()), cell)
            if apart := differences(other.protocol, cell.protocol):
                raise UsageError(
                    f"{where} holds two protocols for {cell.name.text}: {'; '.join(apart)}"
                )
            kept = seeds.get(cell.seed)
            if kept is None or kept.row.episodes < cell.row.episodes:
                seeds[cell.seed] = cell
    return found


def lookalikes(evaluations: Iterable[Evaluation]) -> frozenset[NamedFile]:
    """Names under which these evaluations played different files.

    `runs/seed0/final` and `runs/seed1/final` are two agents, neither of which may stand for both.
    """
    files: dict[NamedFile, set[str]] = {}
    for evaluation in evaluations:
        if any(row.complete for row in evaluation.rows):
            for name, sha256 in _weights(evaluation):
                files.setdefault(name, set()).add(sha256)
    return frozenset(name for name, hashes in files.items() if len(hashes) > 1)


def agent_name(evaluation: Evaluation, alike: Collection[NamedFile]) -> str:
    """The agent's name, with the first digits of its hash where several files bear it."""
    return evaluation.agent.name + _marks(evaluation, alike).get("agent", "")


def _marks(evaluation: Evaluation, alike: Collection[NamedFile]) -> dict[str, str]:
    return {w.kind: f"@{sha[:DIGITS]}" for w, sha in _weights(evaluation) if w in alike}


def _weights(evaluation: Evaluation) -> Iterator[tuple[NamedFile, str]]:
    """The agents' files that an evaluation's cells rest on, each with its hash."""
    agent, settings = evaluation.agent, evaluation.settings
    game = settings.game
    yield NamedFile("agent", game, agent.name), agent.sha256 or UNSAID
    if _another(settings):
        yield NamedFile("defense", game, defense_name(settings)), agent.defended_sha256 or UNSAID
    if agent.other_sha256 or agent.other:
        yield NamedFile("victim", game, "other"), agent.other_sha256 or UNSAID


def _another(settings: Settings) -> bool:
    """Whether another agent plays as `defended`."""
    return (settings.defense or "").startswith(ANOTHER)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The entries in which two mappings differ, one text each: `max_frames 3000 against 18000`."""
    keys = [*a, *(key for key in b if key not in a)]
    apart = [key for key in keys if a.get(key) != b.get(key)]
    return [f"{key} {a.get(key, UNSAID)} against {b.get(key, UNSAID)}" for key in apart]


def attack_name(settings: Settings) -> str:
    """An attack with its options, schedule and backward mode: `pgd steps=4 rate-0.25`; or the
    corruption."""
    if settings.corruption is not None:
        return settings.corruption
    options = [f"{key}={value}" for key, value in sorted(settings.attack_options.items())]
    if settings.schedule.when != "every":
        options.append(settings.schedule.text)
    if settings.attack_backward:
        options.append(f"backward={settings.attack_backward}")
    return " ".join([settings.attack, *options])


def defense_name(settings: Settings) -> str:
    """A defence with its options, empty without one: `sap-100 sampler=bernoulli`."""
    if settings.defense is None:
        return ""
    options = sorted(settings.defense_options.items())
    return " ".join([settings.defense, *(f"{key}={value}" for key, value in options)])


def _cells(evaluation: Evaluation, alike: Collection[NamedFile]) -> Iterator[Played]:
    settings = evaluation.settings
    marks = _marks(evaluation, alike)
    protocol = {k: v for k, v in to_plain(settings.protocol).items() if k != "grad_samples"}
    for row in evaluation.rows:
        if not row.complete:
            continue
        attacked = row.victim is not None
        defended = row.arm in ("defended", "noise-control")
        played = row.arm != "random"
        yield Played(
            CellName(
                row.game,
                agent_name(evaluation, alike) if played else "",
                row.arm,
                row.lam,
                (row.victim or "") + (marks.get("victim", "") if row.victim == "other" else ""),
                attack_name(settings) if attacked else row.corruption or "",
                defense_name(settings) + marks.get("defense", "") if defended else "",
            ),
            row,
            settings.seed,
            protocol | (seen_rules(evaluation) if played else {}) | _looks(row),
            _said(evaluation, row),
        )


def seen_rules(evaluation: Evaluation) -> dict[str, Any]:
    """How the evaluation's agent sees frames; the names tell these rules from the protocol's."""
    return {f"preprocess {k}": v for k, v in to_plain(evaluation.agent.preprocess).items()}


def _looks(row: Row) -> dict[str, Any]:
    """Passes per gradient as they really were: the protocol may leave them to the default."""
    return {} if row.grad_samples is None else {"grad_samples": row.grad_samples}


def _said(evaluation: Evaluation, row: Row) -> dict[str, str]:
    agent, settings = evaluation.agent, evaluation.settings
    facts = {"precision": row.precision, "sampler": row.sampler, "num_envs": settings.num_envs}
    if row.arm != "random":
        facts["agent sha256"] = str(agent.sha256)[:12]
    if row.arm in ("defended", "noise-control") and _another(settings):
        facts["defended sha256"] = (agent.defended_sha256 or UNSAID)[:12]
    if row.victim == "other":
        facts["other sha256"] = (agent.other_sha256 or UNSAID)[:12]
    facts |= {"device": agent.device, **evaluation.made.versions}
    return {key: str(value) for key, value in facts.items() if value is not None}
