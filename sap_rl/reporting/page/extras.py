"""What a report shows beside the numbers: how an agent learned, and a film of its games."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from sap_rl.agents import Agent, find_agent
from sap_rl.errors import UsageError
from sap_rl.evaluation.results import Evaluation
from sap_rl.film.file import Film, film_steps, film_within
from sap_rl.film.games import Scene
from sap_rl.film.plan import agent_of, film_of
from sap_rl.reporting.figures.curves import Panel
from sap_rl.reporting.page.certified import certified_lines
from sap_rl.training.curve import LearningCurve, learning_curve

MAX_FILM, MAX_FILMS = 1_000_000, 2_900_000
"""Bytes of one film, and of all in a page; base64 makes four of three."""

Agents = dict[tuple[str, str], tuple[str, Agent | None]]
"""Name and hash -> from where it is loaded, and the agent, None for one that is gone."""


@dataclass(frozen=True)
class PageExtras:
    """What one panel shows beside its numbers.

    curves: learning curves by agent's name; notes: what is missing and why; certified: what the
    agents' cards state of the lambdas that were played.
    """

    curves: dict[str, LearningCurve]
    film: Film | None
    notes: tuple[str, ...]
    certified: tuple[str, ...] = ()


def collect(
    shown: Sequence[Panel], *, seconds: float | None, watch: Callable[[str, Scene], object]
) -> list[PageExtras]:
    """The page extras of each panel; its first evaluation with a defence is filmed.

    seconds: of each film, None for none; watch: told the game and every scene while films are
    played. An agent that is gone costs its film and its curve, and a note says so.
    """
    limit = min(MAX_FILM, MAX_FILMS // max(1, len(shown)))
    found = []
    for panel in shown:
        notes: list[str] = []
        agents = _agents(panel, notes)
        film = None
        if seconds is not None:
            film = _film(panel, agents, notes, seconds, limit, watch)
        curves = {}
        for (name, sha256), (ref, agent) in agents.items():
            curve = None if agent is None else learning_curve(find_agent(ref))
            if curve is not None:
                curves[name if name not in curves else f"{name} ({sha256:.8})"] = curve
            elif agent is not None:
                notes.append(f"No learning curve lies beside agent '{name}'.")
        stated = (certified_lines(e, agents[_file(e)][1]) for e in panel.evaluations)
        certified = tuple(dict.fromkeys(chain.from_iterable(stated)))
        found.append(PageExtras(curves, film, tuple(notes), certified))
    return found


def _agents(panel: Panel, notes: list[str]) -> Agents:
    found: Agents = {}
    for evaluation in panel.evaluations:
        name, ref = evaluation.agent.name, evaluation.agent.origin.agent
        if _file(evaluation) in found:
            continue
        agent = None
        try:
            agent = agent_of(evaluation)
        except UsageError as error:
            notes.append(f"No film and no learning curve of agent '{name}': {error}.")
        found[_file(evaluation)] = (ref or name, agent)
    return found


def _file(evaluation: Evaluation) -> tuple[str, str]:
    return evaluation.agent.name, str(evaluation.agent.sha256)


def _film(
    panel: Panel,
    agents: Agents,
    notes: list[str],
    seconds: float,
    limit: int,
    watch: Callable[[str, Scene], object],
) -> Film | None:
    evaluation = _filmed(panel)
    _, agent = agents[_file(evaluation)]
    if agent is None:
        return None
    try:
        steps = film_steps(seconds, agent.preprocess.frameskip / 60)
        filmed = film_of(evaluation, agent, steps)
        scenes = []
        for scene in filmed.play():
            scenes.append(scene)
            watch(panel.game, scene)
        return film_within(scenes, filmed.facts, limit)
    except UsageError as error:
        notes.append(f"No film: {error}.")
        return None


def _filmed(panel: Panel) -> Evaluation:
    """The first evaluation with a defence, else the first one."""
    defended = [e for e in panel.evaluations if e.settings.defense is not None]
    return (defended or list(panel.evaluations))[0]
