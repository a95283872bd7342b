"""One self-contained page about evaluations; needs the extra `report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sap_rl.compare.across_games import summarise_games
from sap_rl.errors import UsageError
from sap_rl.extras import PAGES, require
from sap_rl.reporting.figures.curves import Panel, change_curves
from sap_rl.reporting.figures.files import inline_svg
from sap_rl.reporting.figures.plots import (
    change_figure,
    flip_figure,
    learning_figure,
    return_figure,
)
from sap_rl.reporting.page.extras import PageExtras
from sap_rl.reporting.page.rows import distrust, evaluation_name, provenance_rows
from sap_rl.reporting.page.template import filled_page
from sap_rl.reporting.tables.across_games import across_notes, across_tables
from sap_rl.reporting.tables.answer import answers, summary
from sap_rl.reporting.tables.columns import filled_changes, filled_headline, filled_rows
from sap_rl.reporting.tables.evaluation import interval_notes
from sap_rl.reporting.tables.filled import Filled
from sap_rl.reporting.tables.flags import FLAGS, flags_in
from sap_rl.reporting.tables.text import flags_text

MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Picture:
    """A figure of a page: its SVG, and what stands below it."""

    svg: str
    caption: str


def report_page(shown: Sequence[Panel], extras: Sequence[PageExtras]) -> str:
    """The page: the answer, headline, reasons for distrust, a section per game, provenance.

    Raises UsageError where it would be larger than MAX_BYTES.
    """
    require(PAGES, "reports")
    evaluations = [evaluation for panel in shown for evaluation in panel.evaluations]
    together = summarise_games(evaluations)
    headline = [
        (filled_headline("page", e), e, panel) for panel in shown for e in panel.evaluations
    ]
    text = filled_page(
        "report.html",
        title=_title(shown),
        headline=[
            _keyed(filled, f"{evaluation_name(e)}, {panel.attack}") for filled, e, panel in headline
        ],
        headline_notes=_sentences(filled for filled, *_ in headline),
        across=[_keyed(filled, title) for title, filled in across_tables("page", together)],
        across_notes=across_notes(together),
        answers=[
            (evaluation_name(e) if len(evaluations) > 1 else "", answers(e)) for e in evaluations
        ],
        summary=summary(evaluations),
        incomplete=[
            evaluation_name(evaluation) for evaluation in evaluations if not evaluation.complete
        ],
        attacked=any(evaluation.settings.corruption is None for evaluation in evaluations),
        distrust=distrust(evaluations),
        findings=sum(len(evaluation.checks) for evaluation in evaluations),
        flags=[(flags_text([flag]), FLAGS[flag]) for flag in flags_in(evaluations)],
        sections=[_section(i, *pair) for i, pair in enumerate(zip(shown, extras, strict=True))],
        provenance=[provenance_rows(evaluation) for evaluation in evaluations],
        notes=interval_notes(evaluations),
    )
    size = len(text.encode())
    if size > MAX_BYTES:
        raise UsageError(
            f"the report would have {size:,} bytes, more than {MAX_BYTES:,}: take fewer results or "
            "--no-film"
        )
    return text


def _title(shown: Sequence[Panel]) -> str:
    games = list(dict.fromkeys(panel.game for panel in shown))
    named = ", ".join(games[:4]) + (f" and {len(games) - 4} more" if len(games) > 4 else "")
    return f"Reward under attack: {named}"


def _section(place: int, panel: Panel, extras: PageExtras) -> dict[str, Any]:
    """Everything about one game and attack."""
    tables = [
        (evaluation_name(e), filled_rows("page", e), filled_changes("page", e))
        for e in panel.evaluations
    ]
    return {
        "id": f"part{place}",
        "title": f"{panel.game}, {panel.attack}",
        "pictures": list(_pictures(place, panel, extras)),
        "film": extras.film,
        "notes": extras.notes,
        "certified": extras.certified,
        "column_notes": _sentences(filled for _, *both in tables for filled in both),
        "tables": [
            {
                "name": name,
                "rows": _keyed(rows, f"{name}: every arm."),
                "changes": _keyed(changes, f"{name}: {CHANGES_OF}"),
            }
            for name, rows, changes in tables
        ],
    }


CHANGES_OF = "the defended agent against the original, for every attacker."


def _sentences(tables: Iterable[Filled]) -> list[str]:
    """The notes of tables, each once, as sentences."""
    notes = dict.fromkeys(note for filled in tables for note in filled.notes)
    return [note[0].upper() + note[1:] for note in notes]


def _keyed(filled: Filled, name: str) -> dict[str, Any]:
    """As the template's tables take it: columns with the key of their cell in each line."""
    return {
        "name": name,
        "columns": [
            (i, *column, rank)
            for i, (column, rank) in enumerate(zip(filled.columns, filled.ranks, strict=True))
        ],
        "lines": filled.lines,
    }


def _pictures(place: int, panel: Panel, extras: PageExtras) -> Iterator[Picture]:
    where = f"{panel.game} under {panel.attack}"
    ends = _ends(panel)
    svg = inline_svg(
        return_figure([panel]),
        f"return{place}",
        f"Mean return against {panel.level}, {where}. {ends}",
    )
    yield Picture(
        svg,
        "Mean return with 95% intervals (bands; bars where a point stands alone). "
        f"{panel.level[0].upper()}{panel.level[1:]} on a logarithmic axis, clean play apart at the "
        "left. Dotted: the random policy.",
    )
    if change_curves(panel):
        alt = f"Change in return of the defended agent in percent against {panel.level}, {where}."
        yield Picture(
            inline_svg(change_figure([panel]), f"change{place}", alt),
            "Change of the defended against the original, with 95% intervals. n/a: too little is "
            "left for a percentage. Diamonds: published for other agents; arrows: off the axis.",
        )
    if any(row.flip_rate is not None for e in panel.evaluations for row in e.rows):
        what = "attack" if panel.corruption is None else "corruption"
        alt = f"Share of actions that the {what} changes against {panel.level}, {where}."
        yield Picture(
            inline_svg(flip_figure([panel]), f"flips{place}", alt),
            "Actions changed against the clean frame. Thin: how often two looks of a random player "
            "at the same clean frame differ.",
        )
    for number, (agent, curve) in enumerate(extras.curves.items()):
        alt = f"Learning curve of agent {agent}: return against agent steps."
        yield Picture(
            inline_svg(learning_figure(curve), f"learning{place}-{number}", alt),
            f"How agent {agent} learned.",
        )


def _ends(panel: Panel) -> str:
    """The return figure's first and last means, in words."""
    rows = [row for e in panel.evaluations for row in e.rows if row.arm == "original"]
    known = [row for row in rows if row.complete and row.mean is not None]
    if not known:
        return ""
    first, last = known[0], known[-1]
    return (
        f"The original agent has {first.mean:.1f} at {first.level} and {last.mean:.1f} at "
        f"{last.level}."
    )
