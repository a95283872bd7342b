"""Results as terminal tables that fit 80 columns."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from sap_rl.agents import Agent
from sap_rl.atari.games import game_facts
from sap_rl.corruptions import find_corruption
from sap_rl.errors import printable
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.reporting.tables.answer import answers
from sap_rl.reporting.tables.columns import filled_changes, filled_rows
from sap_rl.reporting.tables.filled import Filled
from sap_rl.reporting.tables.flags import (
    CHECK_FAILED,
    COVERAGE,
    FLAGS,
    ONE_NETWORK,
    SEVERAL_LOOKS,
    flag_marks,
)
from sap_rl.reporting.tables.text import (
    NOISE,
    noise_text,
    number_text,
    rules_text,
    signed_text,
)
from sap_rl.training.dqn.parent import UNKNOWN, number_in, stated_number, stated_table
from sap_rl.zoo.score import Check, likely_causes

WIDTH = 80
SHOWN = 3
"""Findings of one kind that are said one by one."""


class Screen(Console):
    """A console for which a reader who has gone, as `head` does, is no failure, and which escapes
    what a terminal would obey, whatever names are printed."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Its pieces of text, of which line ends alone are obeyed."""
        for piece in super().render(renderable, options):
            if piece.control or piece.text.isprintable() or not piece.text.strip("\n"):
                yield piece
            else:
                text = "\n".join(map(printable, piece.text.split("\n")))
                yield Segment(text, piece.style)

    def on_broken_pipe(self) -> None:
        """Say no more; Python's own flush at exit finds nothing to fail on either."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def console(**options: Any) -> Console:
    """A console that is 80 columns wide where nothing says how wide it is."""
    found = Screen(highlight=False, **options)
    return found if found.is_terminal else Screen(highlight=False, width=WIDTH, **options)


def printed(report: RenderableType) -> str:
    """A report as text, as wide as `console` makes it."""
    text = io.StringIO()
    console(file=text).print(report)
    return text.getvalue().rstrip("\n")


def evaluation_report(evaluation: Evaluation) -> RenderableType:
    """The answer in a sentence per lambda, then the tables, what their flags mean, and what the
    numbers rest on."""
    parts: list[RenderableType] = [Text(line) for line in answers(evaluation)]
    parts += [Text(f"\n{_headline(evaluation)}")]
    tables = [filled_rows("terminal", evaluation), filled_changes("terminal", evaluation)]
    parts += [Fitted(table) for table in tables if table.lines]
    marks = flag_marks(evaluation)
    parts += [Text(f"{mark} {flag}: {FLAGS[flag]}.") for flag, mark in marks.items()]
    of_columns = dict.fromkeys(note for table in tables for note in table.notes)
    parts += [Text(line) for line in _notes(evaluation, of_columns)]
    parts += [Text(line) for line in check_lines(evaluation.checks)]
    return Group(*parts)


def check_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Findings with the same advice together, each with its number, then what to do about them."""
    if findings:
        yield f"Reasons for distrust: {len(findings)} (docs/audit.md)."
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.check, finding.advice), []).append(finding)
    for (check, advice), same in found.items():
        for finding in same[:SHOWN]:
            yield f"! {check}, {finding.where}: {finding.text}."
        if len(same) > SHOWN:
            yield f"! {check}: {len(same) - SHOWN} more, in --json and on the page."
        yield f"  What to do: {advice}."


def agents_table(agents: Iterable[tuple[Agent, Path]]) -> RenderableType:
    """What can be played by name: stated scores beside the bar for short training, steps (of a
    hardened agent its lambda; + ? where its parent's are unknown), and what hardware made it."""
    table = plain_table(
        "agent", "5 min", "30 min", "bar", "steps", "hardware", left=("agent", "hardware")
    )  # fmt: skip
    for agent, _ in agents:
        scores = stated_table(agent.facts, "score")
        short, long = (stated_table(scores, f"cap_{minutes}_minutes") for minutes in (5, 30))
        hardening = stated_table(agent.facts, "hardening")
        training = hardening or stated_table(agent.facts, "training")
        lam = number_in(hardening, "lambda")
        steps = f"{stated_number(agent.facts, 'agent_steps') or 0:,.0f}"
        if training.get("parent_steps") == UNKNOWN:
            steps += " + ?"
        table.add_row(
            agent.name if (agent.game or "") in agent.name else f"{agent.name} ({agent.game})",
            number_text(number_in(short, "mean")),
            number_text(number_in(long, "mean")),
            number_text(game_facts(agent.game or "").dqn_2_5m),
            steps if lam is None else f"lambda {lam:g}",
            printable(str(training.get("hardware", "-")).partition(";")[0], 60),
        )
    return table


def check_report(agent: Agent, check: Check, settings: Settings) -> RenderableType:
    """A stated score beside one measured anew, the verdict, and what may be wrong."""
    minutes = settings.protocol.max_frames / 3600
    table = _table("score", "return", "sd", "episodes")
    for label, sample in (("stated", check.stated), ("measured", check.measured)):
        bare = label == "stated" and check.slack > 0
        table.add_row(
            label,
            number_text(sample.mean),
            "-" if bare else number_text(sample.sd),
            "-" if bare else str(sample.count),
        )
    found = check.difference
    verdict = "contains 0: passed" if check.passed else "does not contain 0: FAILED"
    if check.slack:
        reach = f"comes within {check.slack:.1f} (a quarter of the way from random play) of 0"
        verdict = f"{reach}: passed" if check.passed else f"never {reach}: FAILED"
    lines = [
        f"difference {signed_text(found.mean, found.low, found.high, unit='')} "
        f"(99% Welch interval), which {verdict}."
    ]
    if not check.passed:
        lines.append(CHECK_FAILED + "; ".join(likely_causes(check, agent)) + ".")
    return Group(
        Text(f"{agent.name}: at most {minutes:.3g} minutes per episode, seed {settings.seed}"),
        table,
        *(Text(line) for line in lines),
    )


def _headline(evaluation: Evaluation) -> str:
    settings, protocol = evaluation.settings, evaluation.settings.protocol
    minutes = protocol.max_frames / 3600
    state = "" if evaluation.complete else "  INCOMPLETE"
    by = f"{settings.attack_title} on {protocol.frames} frames ({protocol.observation})"
    if settings.corruption is not None:
        by = f"{settings.corruption} of the {find_corruption(settings.corruption).acts_on}"
    return (
        f"{settings.game}: agent {evaluation.agent.name}, {by}, {settings.episodes} episodes "
        f"of at most {minutes:.3g} minutes, {rules_text(protocol)}, seed {settings.seed}{state}\n"
    )


@dataclass(frozen=True)
class Fitted:
    """A table of which a screen shows as many columns as it has room for.

    Those of the largest `rank` go first; what stays is whole. An interval stands behind its number.
    """

    filled: Filled

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Table]:
        places = range(len(self.filled.columns))
        ranks = sorted({self.filled.ranks[place] for place in places}, reverse=True)
        for most in ranks:
            table = self._table([place for place in places if self.filled.ranks[place] <= most])
            width = Measurement.get(_console, options.update(max_width=1000), table).maximum
            if width <= options.max_width or most == ranks[-1]:
                yield table
                return

    def _table(self, places: Sequence[int]) -> Table:
        columns = [self.filled.columns[place] for place in places]
        left = tuple(heading for heading, kind in columns if kind)
        table = plain_table(*(heading for heading, _ in columns), left=left)
        for line in self.filled.lines:
            cells = [line[place] for place in places]
            table.add_row(*(cell if isinstance(cell, str) else " ".join(cell) for cell in cells))
        return table


def _notes(evaluation: Evaluation, of_columns: Iterable[str]) -> Iterable[str]:
    rows = evaluation.rows
    if any(change.headline and change.victim for change in evaluation.changes):
        several = len(evaluation.settings.victims) > 1
        yield "* the headline: " + (
            "the stronger of the attacks on the defended player."
            if several
            else "the only attack played on the defended player; others may be stronger."
        )
    yield from of_columns
    if change := [row.change_mean for row in rows if row.change_mean is not None]:
        largest = max(row.linf_max or 0.0 for row in rows)
        yield (
            f"Perturbation as the referee measured it: at most {largest:.4g} pixels, "
            f"{min(change):.2f} to {max(change):.2f} per pixel on average."
        )
    if sigma := noise_text(rows):
        yield f"noise control: {NOISE} (standard deviation {sigma})."
    samples = {row.grad_samples for row in rows if row.grad_samples}
    if samples:
        yield f"Gradients average {' or '.join(map(str, sorted(samples)))} pass(es) per step."
    played = sum(row.episodes for row in rows)
    cut = sum(row.truncated for row in rows)
    yield f"{cut} of {played} episodes were cut short."
    if any(row.arm == "original" for row in rows):
        yield from interval_notes([evaluation])
    if not evaluation.complete:
        yield (
            "INCOMPLETE: interrupted. Rows with an episode count hold the first episodes to end, "
            "which favours short ones; no interval and no change is taken from them."
        )


def interval_notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """What the intervals are, and what they leave out."""
    looked = [evaluation.looked for evaluation in evaluations]
    notes = [] if all(looked) else [ONE_NETWORK, COVERAGE]
    where = "Where a stopping rule played on: " if notes else ""
    return [*notes, *([where + SEVERAL_LOOKS] if any(looked) else [])]


def _table(*columns: str) -> Table:
    words = ("score", "player", "gradient", "agent", "game", "verdict", "flags")
    return plain_table(*columns, left=words)


def plain_table(*columns: str, left: tuple[str, ...]) -> Table:
    """An empty table without lines; columns in `left` are words, the others numbers.

    Where the screen is too narrow words go on in the next line; numbers and keys are never cut.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        words = name in left
        whole = not words or name == "key"
        table.add_column(name, justify="left" if words else "right", no_wrap=whole, overflow="fold")
    return table
