"""How much of each corruption every shipped agent bears, as a table and a picture.

    python scripts/profiles.py                   all agents, an hour or two of two cores
    python scripts/profiles.py BankHeist Pong    these

Games are short (8 of 4,000 emulator frames). What is played lies in --out-dir, a folder per agent,
and is not played again. The table is printed, the picture is docs/images/profiles.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sap_rl.agents import load_agent
from sap_rl.atari.protocol import Protocol
from sap_rl.audit.card import AuditCard
from sap_rl.audit.profile import LAMBDA, Halved
from sap_rl.audit.run import Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.cli.terminal import say
from sap_rl.corruptions import CORRUPTIONS
from sap_rl.networks.lookup import shipped_agents
from sap_rl.reporting.figures.style import PAGE, style
from sap_rl.reporting.tables.profile import half_text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "profiles.png"


def profiled(name: str, folder: Path) -> AuditCard:
    """The audit of a shipped agent's cameras; of attacks only as much as an audit must play."""
    agent = load_agent(name)
    settings = AuditSettings(
        game=agent.game, defense=None, budget="quick", episodes=8, frames=16, strongest=1,
        certified=0, corruptions=True, protocol=Protocol(max_frames=4000),
    )  # fmt: skip
    audit = Audit(agent, settings, folder / name)
    for ended in audit.run():
        say(f"{name} {ended.name}: {ended.text}")
    return audit.card()


def bears(one: Halved) -> float:
    """The share of the suite's severities that leave more than half of the reward."""
    last = len(one.points) - (one.where != "never")
    return last / len(CORRUPTIONS[one.corruption].severity.suite)


def halves(card: AuditCard) -> dict[str, Halved]:
    return {one.corruption: one for one in card.profile if one.corruption != LAMBDA}


def table(cards: dict[str, AuditCard]) -> str:
    """Markdown: a line per agent, a column per corruption."""
    lines = [f"| half is gone at | clean | {' | '.join(CORRUPTIONS)} |"]
    lines.append("|---" * (len(CORRUPTIONS) + 2) + "|")
    for name, card in cards.items():
        found = halves(card)
        cells = " | ".join(half_text(found.get(corruption)) for corruption in CORRUPTIONS)
        lines.append(f"| {name} | {card.clean['original']:.0f} | {cells} |")
    return "\n".join(lines)


def draw(cards: dict[str, AuditCard], to: Path) -> None:
    """The same as a picture; the darker, the more severities leave more than half."""
    with style():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(PAGE, 0.8 + 0.22 * len(cards)), layout="constrained")
        axes = figure.subplots()
        found = [halves(card) for card in cards.values()]
        shares = [[bears(of_one[name]) for name in CORRUPTIONS] for of_one in found]
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.3, aspect="auto")
        for y, of_one in enumerate(found):
            for x, name in enumerate(CORRUPTIONS):
                axes.text(x, y, half_text(of_one[name]), ha="center", va="center", fontsize=6)
        axes.set_xticks(range(len(CORRUPTIONS)), list(CORRUPTIONS), rotation=30, ha="right")
        axes.set_yticks(range(len(cards)), list(cards))
        axes.set_title("Severity at which half of the reward is gone")
        axes.spines[:].set_visible(False)
        figure.savefig(to)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="[all shipped agents]")
    parser.add_argument("--out-dir", type=Path, default=ROOT / "runs" / "profiles")
    args = parser.parse_args(argv)
    names = args.names or sorted(shipped_agents())
    cards = {name: profiled(name, args.out_dir) for name in names}
    print(table(cards))
    draw(cards, PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
