"""The columns of tables about evaluations, one list for the terminal and the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sap_rl.evaluation.results import Change, Evaluation, Row
from sap_rl.play.arms import gradient_words
from sap_rl.play.attacked_player import PROBE_EVERY
from sap_rl.reporting.tables.filled import Column, Filled, Place, filled
from sap_rl.reporting.tables.flags import flag_marks
from sap_rl.reporting.tables.levels import level_cell
from sap_rl.reporting.tables.text import (
    DASH,
    NOISE,
    Cell,
    change_text,
    flags_text,
    interval_text,
    mean_cell,
    number_text,
    paper_text,
    percent_cell,
    percent_text,
    player_name,
    points_cell,
    victim_text,
)

ROWS: tuple[Column[Row], ...] = (
    Column("{level}", lambda row, e: level_cell(row.lam, e)),
    Column("player", lambda row, _: player_name(row), "word"),
    Column(
        "gradient",
        lambda row, _: victim_text(row.victim),
        "word",
        note="whose gradient the attacker uses",
        of_attack=True,
    ),
    Column("return", lambda row, _: _mean_text(row), only="terminal"),
    Column("return", lambda row, _: mean_cell(row), only="page"),
    Column("95% interval", lambda row, _: interval_text(row.ci_low, row.ci_high), only="terminal"),
    Column(
        "norm",
        lambda row, _: _optional(row.normalised, ".2f"),
        page_title="normalised",
        note="(return - random) / (human - random), both as published",
        rank=2,
    ),
    Column(
        "flips",
        lambda row, _: percent_text(row.flip_rate),
        note="actions changed against the clean frame",
        rank=1,
    ),
    Column(
        "TV",
        lambda row, _: percent_text(row.total_variation),
        note="share of the chances of actions that the attack moved to others (total variation): "
        "actions are sampled by them",
        rank=1,
        if_any=True,
    ),
    Column(
        "self",
        lambda row, _: percent_text(row.self_flip_rate),
        page_title="itself",
        note="two looks of the same player at the same clean frame disagree (random players: "
        f"measured on every {PROBE_EVERY}th step)",
        rank=2,
    ),
    Column("s", lambda row, _: f"{row.seconds:.0f}", only="terminal", rank=3),
    Column("steps/s", lambda row, _: f"{row.steps_per_second:.0f}", only="terminal", rank=3),
    Column(
        "largest",
        lambda row, _: _optional(row.linf_max, ".4g"),
        only="page",
        note="perturbation of any pixel at any step, in pixel values of 0 to 255, as the referee "
        "measured it",
    ),
    Column(
        "largest, mean",
        lambda row, _: _optional(row.linf_mean, ".4g"),
        only="page",
        note="its mean over steps",
    ),
    Column(
        "per pixel",
        lambda row, _: _optional(row.change_mean, ".3g"),
        only="page",
        note="mean absolute change",
    ),
    Column("episodes", lambda row, _: _episodes(row), only="page"),
    Column("cut short", lambda row, _: str(row.truncated), only="page"),
    Column("flags", lambda row, _: flags_text(row.flags), "word", only="page"),
)
"""One line per arm."""

BESIDE = (
    "published for SAP-100 on other agents, beside the rows that follow its protocol as far as it "
    "is published"
)

CHANGES: tuple[Column[Change], ...] = (
    Column("{level}", lambda change, e: level_cell(change.lam, e)),
    Column(
        "gradient", lambda change, _: _starred(change), "word", only="terminal", of_attack=True
    ),
    Column(
        "gradient", lambda change, _: victim_text(change.victim), "word", only="page",
        of_attack=True,
    ),
    Column(
        "stronger", lambda change, _: "yes" if _stronger(change) else "", "word", only="page",
        of_attack=True,
    ),
    Column("{defense} against original", lambda change, _: change_text(change), only="terminal"),
    Column("difference", lambda change, _: points_cell(change), only="page"),
    Column("change", lambda change, _: percent_cell(change), only="page"),
    Column("paper", lambda change, _: paper_text(change), note=BESIDE, rank=1, of_attack=True),
    Column("verdict", lambda change, _: change.verdict, "word"),
    Column("flags", lambda change, whole: _marks(change, whole), "word", only="terminal"),
    Column("flags", lambda change, _: flags_text(change.flags), "long", only="page"),
)  # fmt: skip
"""One line per lambda and victim: the defended player against the original."""


class Headline(NamedTuple):
    """A lambda and the change under the stronger attack there, None where nothing was defended."""

    lam: float
    change: Change | None

    @property
    def victim(self) -> str | None:
        """Whose gradient that attack uses."""
        return self.change.victim if self.change else None

    def said(self, cell: Callable[[Change], str | Cell]) -> str | Cell:
        """What a cell says of the change; a dash where there is none."""
        return cell(self.change) if self.change else DASH


HEADLINE: tuple[Column[Headline], ...] = (
    Column("{level}", lambda at, e: level_cell(at.lam, e), note="{level_note}"),
    Column("original", lambda at, e: _whole(e.original(at.lam))),
    Column("defended", lambda at, e: _whole(e.row("defended", at.lam, at.victim))),
    Column(
        "difference",
        lambda at, _: at.said(points_cell),
        note="in points of return, paired by episode",
        rank=1,
    ),
    Column("change", lambda at, _: at.said(percent_cell)),
    Column("paper", lambda at, _: at.said(paper_text), note=BESIDE, rank=2, of_attack=True),
    Column(
        "verdict",
        lambda at, _: at.said(_verdict),
        "verdict",
        note="a defence helps only where the interval of the difference lies above 0 and no flag "
        "stands; below it, whose gradient the attacker uses against the defended agent",
    ),
    Column("flags", lambda at, _: at.said(lambda change: flags_text(change.flags)), "long", rank=2),
    Column(
        "noise control",
        lambda at, e: _whole(e.row("noise-control", at.lam, at.victim)),
        note=NOISE,
        rank=2,
    ),
    Column("random", lambda _, e: _whole(e.row("random")), rank=2),
)
"""One line per lambda: what a page says first."""


def filled_rows(place: Place, evaluation: Evaluation) -> Filled:
    """The table of every arm, as `place` shows it."""
    return filled(ROWS, evaluation.rows, place, evaluation)


def filled_changes(place: Place, evaluation: Evaluation) -> Filled:
    """The table of changes, as `place` shows it; without lines where nothing was defended."""
    return filled(CHANGES, evaluation.changes, place, evaluation)


def filled_headline(place: Place, evaluation: Evaluation) -> Filled:
    """The table of the stronger attack per lambda, the returns alone if none was defended."""
    changes = {change.lam: change for change in evaluation.changes if change.headline}
    lams = sorted({row.lam for row in evaluation.rows})
    lines = [Headline(lam, changes.get(lam)) for lam in lams]
    return filled(HEADLINE, lines, place, evaluation)


def _mean_text(row: Row) -> str:
    return number_text(row.mean) + ("" if row.complete else f" ({row.episodes} ep.)")


def _whole(row: Row | None) -> Cell:
    """A complete arm's mean, else a dash: the short episodes end first and would pass for it."""
    return mean_cell(row) if row is not None and row.complete else DASH


def _verdict(change: Change) -> Cell:
    return change.verdict, gradient_words(change.victim) if change.victim else ""


def _optional(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _episodes(row: Row) -> str:
    return str(row.episodes) + ("" if row.complete else ", incomplete")


def _stronger(change: Change) -> bool:
    return change.headline and change.victim is not None


def _starred(change: Change) -> str:
    return victim_text(change.victim) + (" *" if _stronger(change) else "")


def _marks(change: Change, evaluation: Evaluation) -> str:
    marks = flag_marks(evaluation)
    return "".join(sorted(marks[flag] for flag in change.flags)) or "-"
