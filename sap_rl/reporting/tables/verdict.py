"""How an agent plays under each way of showing it the game, for people."""

from __future__ import annotations

from statistics import stdev

from rich.console import Group, RenderableType
from rich.text import Text

from sap_rl.agents import Agent
from sap_rl.reporting.tables.evaluation import plain_table
from sap_rl.reporting.tables.text import number_text
from sap_rl.zoo.verdict import Verdict


def verdict_report(agent: Agent, game: str, verdict: Verdict) -> RenderableType:
    """A row per choice, one under sticky actions, and which choice to take."""
    table = plain_table("shown", "return", "sd", "episodes", left=("shown",))
    for choice in (*verdict.choices, verdict.sticky):
        returns = choice.row.returns
        table.add_row(
            choice.said, number_text(choice.mean), number_text(stdev(returns)), str(len(returns))
        )
    minutes = verdict.max_frames / 3600
    return Group(
        Text(
            f"{agent.name} in {game}: at most {minutes:.2g} minutes per episode; random play "
            f"returns {number_text(verdict.random.mean)} in the same"
        ),
        table,
        Text(_advice(agent, verdict)),
    )


def _advice(agent: Agent, verdict: Verdict) -> str:
    best = verdict.best
    if not verdict.plays:
        return (
            "It plays clearly better than random under none of these: it may be of another game, "
            "see another crop, grey or stack (sap-rl agents show), or need longer or more games to "
            "show it (--max-frames, --episodes)."
        )
    if best.sees == agent.preprocess:
        return "It plays best as given."
    return f"It plays best with {best.said}: say --preprocess {best.said}."
