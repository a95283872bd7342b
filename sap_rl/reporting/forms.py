"""An evaluation as text, as HTML for a notebook, as a table of data and as a figure."""

from __future__ import annotations

import csv
import html
import io
from typing import TYPE_CHECKING, Any

from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.extras import DATAFRAMES, FIGURES, require
from sap_rl.plain import to_plain
from sap_rl.reporting.figures.plots import return_lambda_figure
from sap_rl.reporting.tables.columns import filled_changes, filled_rows
from sap_rl.reporting.tables.evaluation import evaluation_report, printed
from sap_rl.reporting.tables.filled import Filled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PER_EPISODE = ("returns", "lengths")
"""Fields of a Row that hold a number per episode: a table with a row per arm has no place."""


def as_text(evaluation: Evaluation) -> str:
    """What `sap-rl eval` prints, 80 columns wide."""
    return printed(evaluation_report(evaluation))


def as_html(evaluation: Evaluation) -> str:
    """The changes, then the rows of the page, as HTML that takes a notebook's own colours."""
    tables = [filled_changes("page", evaluation), filled_rows("page", evaluation)]
    return "\n".join(
        [f"<p>{html.escape(repr(evaluation))}</p>", *(_html_table(t) for t in tables if t.lines)]
    )


def _html_table(filled: Filled) -> str:
    """Words to the left, numbers to the right; a cell of two parts has the second in small."""
    sides = ["left" if kind else "right" for _, kind in filled.columns]
    head = "".join(
        f'<th style="text-align: {side}">{html.escape(title)}</th>'
        for side, (title, _) in zip(sides, filled.columns, strict=True)
    )
    body = []
    for line in filled.lines:
        cells = [_html_cell(cell, side) for cell, side in zip(line, sides, strict=True)]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _html_cell(cell: Any, side: str) -> str:
    parts = (cell,) if isinstance(cell, str) else tuple(cell)
    main, *rest = (html.escape(part) for part in parts)
    small = f" <small>{' '.join(rest)}</small>" if any(rest) else ""
    return f'<td style="text-align: {side}; white-space: nowrap">{main}{small}</td>'


def as_records(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A mapping per arm of what its Row holds but the numbers per episode; flags as words."""
    level = "lambda" if evaluation.settings.corruption is None else "severity"
    return [_record(row, level) for row in evaluation.rows]


def _record(row: Row, level: str) -> dict[str, Any]:
    plain = {name: value for name, value in to_plain(row).items() if name not in PER_EPISODE}
    lam = plain.pop("lam")
    return {"game": plain.pop("game"), level: lam} | plain | {"flags": " ".join(row.flags)}


def as_dataframe(evaluation: Evaluation) -> pd.DataFrame:
    """`as_records` as pandas has them; UsageError where it is missing."""
    require(DATAFRAMES, "data frames")
    import pandas as pd

    return pd.DataFrame(as_records(evaluation))


def as_csv(evaluation: Evaluation) -> str:
    """`as_records` as CSV."""
    records = as_records(evaluation)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def as_figure(evaluation: Evaluation) -> Figure:
    """Mean returns with their intervals against lambda; UsageError where matplotlib is missing."""
    require(FIGURES, "figures")
    return return_lambda_figure(evaluation)
