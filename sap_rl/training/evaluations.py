"""Evaluation of the network in training, under the protocol."""

from __future__ import annotations

from collections.abc import Iterator

from sap_rl.agents import Agent
from sap_rl.evaluation.results import Row
from sap_rl.evaluation.run import ArmEnded, EvaluationRun
from sap_rl.evaluation.settings import Settings


def play_evaluation(
    agent: Agent, game: str, *, lam: float, episodes: int, seed: int
) -> Iterator[Row | None]:
    """Clean episodes, then under FGSM at `lam`; a Row at each end, None in between.

    The None tell that a step was played, so that whoever iterates can stop in time.
    """
    plan = Settings(
        game=game,
        lams=(lam,),
        episodes=episodes,
        seed=seed,
        controls=False,
    )
    for event in EvaluationRun(agent, plan).play():
        yield event.row if isinstance(event, ArmEnded) else None
