"""What a checkpoint is and sees, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sap_rl.atari.preprocess import CHOICES, Preprocess
from sap_rl.errors import printable
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.training.dqn.parent import number_in

MEANINGS = {
    "frames": "stacked",
    "height": "pixels, after resizing",
    "width": "pixels, after resizing",
    "frameskip": "emulator frames per action",
    "full_action_space": "all 18 actions, not the game's own",
    "first_actions": "only the first so many, 0 for all",
    "crop": "top, left, height, width of the screen",
    "max_pool": "the last two emulator frames maximised",
    "sticky_actions": "chance that the last action is repeated",
}
"""What an entry means, where its choices do not say it."""


def checkpoint_report(checkpoint: Checkpoint) -> RenderableType:
    """The network, what it sees of the game, and what its file states."""
    table = Table(box=None, pad_edge=False, header_style="")
    for name in ("preprocess", "value", "meaning"):
        table.add_column(name, overflow="fold")
    values = asdict(checkpoint.preprocess)
    for entry in fields(Preprocess):
        changed = values[entry.name] != entry.default
        table.add_row(
            entry.name,
            _shown(values[entry.name]) + (" *" if changed else ""),
            " or ".join(CHOICES.get(entry.name, ())) or MEANINGS[entry.name],
        )
    return Group(
        *(Text(printable(line, 300)) for line in _lines(checkpoint)),
        table,
        Text("* differs from ale-py's own frames and a network that takes 0..1."),
    )


def _lines(checkpoint: Checkpoint) -> Iterator[str]:
    facts = checkpoint.facts
    actor = checkpoint.scores == "logits"
    kind = f"{checkpoint.kind} {'actor' if actor else 'network'}"
    yield f"{checkpoint.name}: {facts.get('format', 'unknown')}, {kind}"
    if actor:
        yield "its actions are sampled unless policy greedy is said, without epsilon"
    yield f"game {checkpoint.game or 'unknown'}, {checkpoint.num_actions} actions"
    yield f"sha256 {checkpoint.sha256}"
    if "precision" in facts:
        yield str(facts["precision"])
    yield from _parents(facts)
    scores = facts.get("score")
    for table in scores.values() if isinstance(scores, dict) else ():
        if isinstance(table, dict) and "mean" in table:
            yield (
                f"return {table['mean']} over {table.get('episodes', '?')} episodes of at most "
                f"{table.get('max_frames', '?')} frames"
            )
    for lam, text in certified_rows(facts):
        yield f"certified at lambda {lam:g}: {text}"
    if "stated_mean" in facts:
        yield f"return {facts['stated_mean']:g}, as its authors state"


def certified_rows(facts: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """lambda and what a card states as certified there, by linear bounds, or by interval
    arithmetic as earlier cards have it."""
    table = facts.get("certified")
    if not isinstance(table, Mapping):
        return
    for row in (table, *(part for part in table.values() if isinstance(part, Mapping))):
        share = number_in(row, "rate" if row is table else "certified")
        lam, frames = number_in(row, "lambda"), number_in(row, "frames")
        if share is not None and lam is not None and frames is not None:
            how = "by intervals" if row is table else f"in {row.get('play')} play"
            yield lam, f"{share:.1%} of {frames:g} actions {how}"


def _parents(facts: Mapping[str, Any]) -> Iterator[str]:
    """The agent that it was made from, as its card says; nothing where it began anew."""
    for made, how in (("training", "trained on"), ("hardening", "hardened")):
        table = facts.get(made)
        if isinstance(table, Mapping) and "parent" in table:
            steps = table.get("parent_steps")
            made_before = "" if steps is None else f", whose agent steps are {steps}"
            yield f"{how} from {table['parent']}{made_before}"
            yield f"parent's sha256 {table.get('parent_sha256') or 'unknown'}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "whole screen"
    return str(value).lower() if isinstance(value, bool) else str(value)
