"""Games under attack, step by step, as a film shows them: what was seen, valued and done.

The two games of a film are two arms of an evaluation: the original's and the defended agent's,
each playing its own game from the same start, each seeing its own frames tampered with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from sap_rl.agents import Agent
from sap_rl.atari.env import action_names
from sap_rl.atari.fleet import Fleet
from sap_rl.errors import UsageError, require_at_least, require_positive
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.pixels import PIXEL_MAX
from sap_rl.play.arms import Arm, level_text
from sap_rl.play.attacked_player import AttackedPlayer
from sap_rl.play.episodes import env_seed, max_agent_steps
from sap_rl.play.rollout import Step, rollout


@dataclass(frozen=True)
class FilmFacts:
    """What a film is of.

    victims: whose gradient is used against each player, empty where a corruption spoils the frames
    and lam is its severity; emulator_seed: the episode's; actions: names of the game's actions;
    step_seconds: how long a step lasts on a console.
    """

    game: str
    agent: str
    players: tuple[str, ...]
    victims: tuple[str, ...]
    lam: float
    attack: str
    seed: int
    episode: int
    emulator_seed: int
    actions: tuple[str, ...]
    step_seconds: float
    corruption: str | None = None

    @property
    def under(self) -> tuple[str, ...]:
        """What is done to the frames, how strongly: fgsm and lambda 4, or rotate 0.5 degrees."""
        level = level_text(self.corruption, self.lam)
        return (self.attack, level) if self.corruption is None else (level,)

    @property
    def span(self) -> float:
        """The change in pixels that is shown as white."""
        return self.lam if self.corruption is None else PIXEL_MAX


@dataclass(frozen=True)
class View:
    """One player's game at one step.

    clean, tampered [H, W]: the newest frame in pixels, before and after the attack; on_clean,
    on_tampered [A]: the player's scores there; wanted, chosen: its greedy actions; played: that
    one, or where actions are sampled the one that was drawn, as epsilon left it; score, steps,
    flips: until now, this step included; self_flips: on how many of these two looks at the clean
    frame disagreed; ended: the game is over.
    """

    clean: np.ndarray
    tampered: np.ndarray
    on_clean: np.ndarray
    on_tampered: np.ndarray
    wanted: int
    chosen: int
    played: int
    score: float
    steps: int
    flips: int
    self_flips: int
    ended: bool


@dataclass(frozen=True)
class Scene:
    """All games at one step; one that is over stays as it ended."""

    step: int
    views: tuple[View, ...]


@dataclass
class FilmedGames:
    """Plays the games of a film; `play` yields its scenes.

    agent: the original; settings: of the evaluation whose arms are filmed, with one lambda and one
    victim; steps: how many agent steps at most; episode: which of the seed; other: the agent
    behind victim `other`. Raises UsageError at once if they do not fit.
    """

    agent: Agent
    settings: Settings
    steps: int
    episode: int = 0
    other: Agent | None = None

    def __post_init__(self) -> None:
        s = self.settings
        require_positive("steps", self.steps)
        require_at_least("episode", self.episode, 0)
        if len(s.levels) != 1 or s.levels[0] <= 0:
            shown = ", ".join(f"{level:g}" for level in s.levels)
            kind = "lambda above 0" if s.corruption is None else "severity"
            raise UsageError(f"a film shows one {kind}, got {shown}")
        if len(s.victims) != 1 and s.corruption is None:
            raise UsageError(f"a film shows one victim, got {', '.join(s.victims)}")
        self.run = EvaluationRun(self.agent, s, self.other)
        self.players = self.run.players
        level = s.levels[0]
        self.arms = [Arm("original", level, s.victim_of_original(level), s.corruption)]
        if s.defense is not None:
            victim = s.victims[0] if s.corruption is None else None
            self.arms.append(Arm("defended", level, victim, s.corruption))
        preprocess = self.agent.preprocess
        self.facts = FilmFacts(
            game=s.game,
            agent=self.agent.name,
            players=tuple(self.players.agent(arm.name).defense or arm.name for arm in self.arms),
            victims=tuple(arm.victim or "" for arm in self.arms),
            lam=level,
            attack=s.attack_title,
            seed=s.seed,
            episode=self.episode,
            emulator_seed=env_seed(s.seed, self.episode),
            actions=action_names(s.game, preprocess),
            step_seconds=preprocess.frameskip / 60,
            corruption=s.corruption,
        )

    def play(self) -> Iterator[Scene]:
        """The scenes, until every game is over or the steps are used up; may be abandoned."""
        self.run.prepare(self.arms)
        games = [self._game(arm) for arm in self.arms]
        views: list[View | None] = [None] * len(games)
        try:
            for step in range(1, self.steps + 1):
                views = [next(game, last) for game, last in zip(games, views, strict=True)]
                shown = tuple(view for view in views if view is not None)
                yield Scene(step, shown)
                if all(view.ended for view in shown):
                    return
        finally:
            for game in games:
                game.close()  # type: ignore[attr-defined]

    def _game(self, arm: Arm) -> Iterator[View]:
        """One arm's episode; the last view says so if it ended."""
        s, preprocess = self.settings, self.agent.preprocess
        fleet = self.run.fleet(1, arm)
        watched = WatchedFleet(fleet.groups)
        player = self.players.attacked_player(arm, fleet=watched)
        filmed = FilmedGame(player, self.players.flip_probe(arm), watched)
        games = rollout(
            watched,
            player,
            episodes=[self.episode],
            seed=s.seed,
            epsilon=self.players.protocol.epsilon,
            max_steps=max_agent_steps(s.protocol.max_frames, preprocess.frameskip),
        )
        with closing(fleet), closing(games):  # type: ignore[type-var]
            for event in games:
                if isinstance(event, Step):
                    yield filmed.view(event)


class WatchedFleet(Fleet):
    """A fleet that remembers what was played last, and what it earned."""

    played, reward = -1, 0.0

    def step(
        self, rows: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Play one action in the one environment and note it; returns what `Fleet.step` does."""
        found = super().step(rows, actions)
        self.played, self.reward = int(actions[0]), float(found[0][0])
        return found


class FilmedGame:
    """What a film shows of one player's game, counted as it goes.

    It listens to the player of the evaluation, and looks at the clean frames with a probe of its
    own: looking moves nothing.
    """

    def __init__(
        self, player: AttackedPlayer, flip_probe: Agent | None, watched: WatchedFleet
    ) -> None:
        self.player, self.watched = player, watched
        self.looker, self.random = flip_probe or player.agent, flip_probe is not None
        self.score = 0.0
        self.steps = self.flips = self.self_flips = 0

    def view(self, step: Step) -> View:
        """What the last decision was made on and led to."""
        seen = self.player.seen
        assert seen is not None
        on_tampered, on_clean = seen.values[0], self.looker.q_values(step.pixels)[0]
        again = self.looker.q_values(step.pixels)[0] if self.random else on_clean
        chosen, wanted = int(on_tampered.argmax()), int(on_clean.argmax())
        self.score += self.watched.reward
        self.steps += 1
        self.flips += chosen != wanted
        self.self_flips += int(again.argmax()) != wanted
        newest = slice(
            -self.player.agent.preprocess.planes, None
        )  # colours are shown as their mean
        return View(
            clean=step.pixels[0, newest].mean(0),
            tampered=seen.pixels[0, newest].float().mean(0).cpu().numpy(),
            on_clean=on_clean.float().cpu().numpy(),
            on_tampered=on_tampered.float().cpu().numpy(),
            wanted=wanted,
            chosen=chosen,
            played=self.watched.played,
            score=self.score,
            steps=self.steps,
            flips=self.flips,
            self_flips=self.self_flips,
            ended=bool(step.ended),
        )
