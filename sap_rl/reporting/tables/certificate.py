"""A certificate as text: the answer in a sentence, then the shares by lambda."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.certification.results import PLAYS, Certificate, CertifyRow
from sap_rl.reporting.tables.evaluation import plain_table, printed
from sap_rl.reporting.tables.text import percent_text

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
BOUNDS = (
    "certified: no change of any pixels within lambda can alter the action, whatever the attack "
    "(linear bounds, CROWN)."
)
VOTE = (
    "certified: no change whose root mean square over all pixels is at most lambda can alter the "
    "action of a vote of infinitely many draws, whatever the attack, at 99.9% confidence per frame "
    "({looks} noisy copies); every change within lambda per pixel is among them. A vote of "
    "few draws is random, and may act otherwise."
)
NOTE = (
    "broken: PGD with {steps} steps, twice, altered it. undecided: "
    "neither. Intervals over the games that the frames come from. A certified action need not be "
    "a good one, and the share says nothing of the reward."
)


def certificate_report(found: Certificate) -> RenderableType:
    """What `sap-rl certify` prints."""
    table = plain_table(
        "lambda", "play", "frames", "certified", "95% interval", "broken", "undecided",
        left=("play",),
    )  # fmt: skip
    for row in found.rows:
        table.add_row(
            f"{row.lam:g}", row.play, str(row.frames), _share(row.certified.mean), _interval(row),
            _share(row.broken), _share(row.undecided),
        )  # fmt: skip
    lines: list[RenderableType] = [*map(Text, _answers(found)), Text(""), table]
    if found.radius:
        lines += [Text(""), _radii(found)]
    note = f"{VOTE if found.defense else BOUNDS} {NOTE}"
    note = note.format(steps=found.settings.steps, looks=found.settings.looks)
    return Group(*lines, Text(note), Text(f"{found.seconds:.0f} s, seed {found.settings.seed}"))


def certificate_text(found: Certificate) -> str:
    """The report as text, 80 columns wide."""
    return printed(certificate_report(found))


def _answers(found: Certificate) -> list[str]:
    """A sentence per lambda."""
    if not found.rows:
        return ["Nothing was computed to its end."]
    who = f"{found.agent.name}'s actions in {found.settings.game}"
    who += f" behind {found.defense}" if found.defense else ""
    return [
        f"At lambda {row.lam:g} no attack whatever can change {_share(row.certified.mean)} of "
        f"{who}; PGD changes {_share(row.broken)}, "
        f"{_share(row.undecided)} are undecided."
        for row in found.rows
        if row.play == "clean"
    ]


def _radii(found: Certificate) -> RenderableType:
    """The certified lambda that this share of the frames does not reach."""
    table = plain_table("certified lambda", *map(percent_text, QUANTILES), left=())
    for play in PLAYS:
        if play in found.radius:
            values = found.radius_quantiles(play, QUANTILES)
            table.add_row(f"{play} play", *(f"{value:.2f}" for value in values))
    return table


def _share(share: float) -> str:
    return f"{100 * share:.1f}%"


def _interval(row: CertifyRow) -> str:
    low, high = row.certified.low, row.certified.high
    return "-" if low is None or high is None else f"{100 * low:.1f}..{100 * high:.1f}"
