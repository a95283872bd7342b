"""How much of each corruption every shipped agent bears, as a table and a picture.

    python scripts/profiles.py                   all agents, ten minutes or more of a core each
    python scripts/profiles.py BankHeist Pong    these

Games are short (8 of 4,000 emulator frames). What they returned stands in docs/profiles.csv, and an
agent whose weights are those in there is not played again. The table is printed, the picture is
docs/images/profiles.png; both show every agent of the file.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import groupby
from pathlib import Path

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.protocol import Protocol
from sap_rl.audit.profile import Halved, half_left, halved
from sap_rl.audit.run import Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.worst import mean_return
from sap_rl.cli.terminal import say
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.networks.lookup import shipped_agents
from sap_rl.reporting.figures.style import PAGE, style
from sap_rl.reporting.tables.profile import half_text
from sap_rl.reporting.tables.text import markdown

DOCS = Path(__file__).resolve().parent.parent / "docs"
PLAYED = DOCS / "profiles.csv"
PICTURE = DOCS / "images" / "profiles.png"
RUNS = DOCS.parent / "runs" / "profiles"


@dataclass(frozen=True)
class Point:
    """What one severity left of one agent; weights: the beginning of their sha256; clean, random:
    mean returns without it and of random play."""

    agent: str
    weights: str
    clean: float
    random: float
    corruption: str
    severity: float
    mean: float


def place(point: Point) -> tuple[str, str]:
    return point.agent, point.corruption


def weights_of(agent: Agent) -> str:
    return (agent.sha256 or "")[:12]


def play(agent: Agent) -> list[Point]:
    """The audit of an agent's cameras; of attacks only as much as an audit must play."""
    assert agent.game is not None
    settings = AuditSettings(
        game=agent.game, defense=None, budget="quick", episodes=8, frames=16, strongest=1,
        certified=0, corruptions=True, protocol=Protocol(max_frames=4000),
    )  # fmt: skip
    weights = weights_of(agent)
    audit = Audit(agent, settings, RUNS / f"{agent.name}-{weights}")
    for ended in audit.run():
        say(f"{agent.name} {ended.name}: {ended.text}")
    card = audit.card()
    clean, random = card.clean["original"], card.clean["random"]
    return [
        Point(agent.name, weights, clean, random, cell.title, cell.lam, mean_return(cell.row))
        for cell in card.spoilt
    ]


def read(path: Path = PLAYED) -> list[Point]:
    """What was played, nothing where the file is not there yet."""
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return [
            Point(agent, weights, float(clean), float(random), name, float(severity), float(mean))
            for agent, weights, clean, random, name, severity, mean in list(csv.reader(lines))[1:]
        ]


def write(points: Sequence[Point], path: Path = PLAYED) -> None:
    with path.open("w", newline="") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(field.name for field in fields(Point))
        for point in points:
            out.writerow(f"{v:g}" if isinstance(v, float) else v for v in astuple(point))


Profile = dict[str, Halved]
"""By corruption, where half of an agent's reward is gone."""


def profiles(points: Sequence[Point]) -> dict[str, Profile]:
    """By agent."""
    found: dict[str, Profile] = {}
    for (agent, name), here in groupby(sorted(points, key=place), place):
        of = list(here)
        half = half_left(of[0].clean, of[0].random)
        curve = [(point.severity, point.mean) for point in of]
        found.setdefault(agent, {})[name] = halved(name, agent, curve, half)
    return found


def bears(one: Halved) -> float:
    """The share of the suite's severities that leave more than half of the reward."""
    last = len(one.points) - (one.where != "never")
    return last / len(CORRUPTIONS[one.corruption].severity.suite)


def table(points: Sequence[Point]) -> str:
    """Markdown: a line per agent, a column per corruption."""
    clean = {point.agent: point.clean for point in points}
    rows = [["half is gone at", "clean", *CORRUPTIONS]]
    for name, found in profiles(points).items():
        cells = [half_text(found.get(corruption)) for corruption in CORRUPTIONS]
        rows.append([name, f"{clean[name]:.0f}", *cells])
    return markdown(rows)


def draw(points: Sequence[Point]) -> None:
    """The same as a picture; the darker, the more severities leave more than half."""
    found = profiles(points)
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(PAGE, 0.8 + 0.22 * len(found)), layout="constrained")
        axes = figure.subplots()
        shares = [[bears(of_one[name]) for name in CORRUPTIONS] for of_one in found.values()]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
        for y, of_one in enumerate(found.values()):
            for x, name in enumerate(CORRUPTIONS):
                axes.text(x, y, half_text(of_one[name]), ha="center", va="center", fontsize=6)
        axes.set_xticks(range(len(CORRUPTIONS)), list(CORRUPTIONS), rotation=30, ha="right")
        axes.set_yticks(range(len(found)), list(found))
        axes.set_title("Severity at which half of the reward is gone")
        axes.spines[:].set_visible(False)
        figure.savefig(PICTURE)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="[all shipped agents]")
    args = parser.parse_args(argv)
    points = read()
    for agent in map(load_agent, args.names or sorted(shipped_agents())):
        if not any((one.agent, one.weights) == (agent.name, weights_of(agent)) for one in points):
            points = [one for one in points if one.agent != agent.name] + play(agent)
            write(points)
    print(table(points))
    draw(points)
    return 0


if __name__ == "__main__":
    sys.exit(main())
