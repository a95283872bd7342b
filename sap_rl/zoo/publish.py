"""From a run's folder to an agent that others can load: chosen, rounded, and measured."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sap_rl.agents import Agent, load_agent
from sap_rl.atari.protocol import Preprocess
from sap_rl.errors import UsageError, require_at_least, require_positive
from sap_rl.files import check_folder, made_beside
from sap_rl.networks.loaders.native import write_native
from sap_rl.training.checkpoint import (
    WEIGHTS,
    Saved,
    complete_checkpoints,
    latest_checkpoint,
    read_checkpoint,
)
from sap_rl.training.curve import CURVE, curve_line
from sap_rl.training.dqn.restart import fresh_network, playable
from sap_rl.training.dqn.settings import TrainSettings, train_settings
from sap_rl.training.parentage import licence_of, parent_entries
from sap_rl.zoo.score import CAPS, CHOICE_SEED, score_settings
from sap_rl.zoo.scoring import CandidatePlayed, ExportEvent, GamePlayed, Scored, Scoring

__all__ = ["CandidatePlayed", "Export", "ExportEvent", "GamePlayed", "Scored", "agent_folder"]


class Export:
    """The export of one run: iterate `run()`, then `folder` holds the agent.

    run: folder of `sap-rl train`; out: where the agent's folder is made; name: of the agent, the
    game by default; newest: so many of the latest checkpoints are candidates; choice_episodes: each
    plays; episodes: behind the stated score. The candidate with the highest mean is taken; its
    score comes from other games. The agent's folder appears whole, after all games; an agent that
    it replaces stays until then. UsageError at once for a folder that holds no run, for one that
    cannot be written to, and for an agent of that name unless `replace`.
    """

    def __init__(
        self,
        run: Path,
        out: Path,
        *,
        name: str | None = None,
        newest: int = 5,
        choice_episodes: int = 30,
        episodes: int = 100,
        replace: bool = False,
    ) -> None:
        require_positive("newest", newest)
        require_positive("choice_episodes", choice_episodes)
        require_at_least("episodes", episodes, 2)
        self.source = run
        self.saved = _last(run)
        self.game = str(self.saved.run["game"])
        self.settings = train_settings(self.saved.run["settings"])
        self.folder = agent_folder(out, self.game if name is None else name, replace)
        self.choice_episodes, self.episodes = choice_episodes, episodes
        self.candidates = self._candidates(newest)
        self.scoring = Scoring(self.folder.name, self.game, episodes, CAPS, self.total)

    @property
    def total(self) -> int:
        """Games to be played, at most."""
        rehearsals = len(self.candidates) * self.choice_episodes
        return (rehearsals if len(self.candidates) > 1 else 0) + len(CAPS) * self.episodes

    def run(self) -> Iterator[ExportEvent]:
        """Choose, measure, write."""
        steps = next(iter(self.candidates))
        if len(self.candidates) > 1:
            steps = yield from self._choose()
        with made_beside(self.folder) as beside:
            agent = self._write(beside, steps, {})
            scores = yield from self.scoring.measure(agent, steps)
            self._write(beside, steps, scores)
            if (self.source / CURVE).exists():
                shutil.copy(self.source / CURVE, beside / CURVE)

    def _candidates(self, newest: int) -> dict[int, dict[str, Tensor]]:
        """Weights by agent steps, the last first."""
        found = {self.saved.progress.steps: self.saved.path / WEIGHTS}
        for path in (self.source / "snapshots").glob("[0-9]*.safetensors"):
            found[int(path.stem)] = path
        for folder in complete_checkpoints(self.source / "checkpoints"):
            found.setdefault(read_checkpoint(folder).progress.steps, folder / WEIGHTS)
        newest_first = sorted(found, reverse=True)[:newest]
        # Read now: a run that goes on meanwhile may clear its checkpoints away.
        return {steps: _read_weights(found[steps]) for steps in newest_first}

    def _choose(self) -> Generator[ExportEvent, None, int]:
        """Play every candidate; returns the steps of the best."""
        plan = score_settings(
            self.game,
            episodes=self.choice_episodes,
            seed=CHOICE_SEED,
            max_frames=max(CAPS.values()),
        )
        means: dict[int, float] = {}
        for steps in self.candidates:
            row = yield from self.scoring.play(self._rounded(steps), plan)
            means[steps] = row.mean or 0.0
            yield CandidatePlayed(steps, means[steps], row.episodes)
        return max(means, key=lambda steps: means[steps])

    def _module(self, steps: int) -> torch.nn.Module:
        weights = self.candidates[steps]
        try:
            network = fresh_network(self._num_actions(weights), 0, self.settings)
            network.load_state_dict(weights)
        except (KeyError, RuntimeError) as error:
            raise UsageError(f"weights at step {steps} are of another network: {error}") from error
        return playable(network, self.settings)

    def _rounded(self, steps: int) -> Agent:
        """What is chosen is what is shipped."""
        module = self._module(steps).half().float()
        return Agent(module, Preprocess(), self.folder.name, game=self.game)

    def _write(self, folder: Path, steps: int, scores: dict[str, Any]) -> Agent:
        """The agent as whoever loads the folder will have it."""
        licence = licence_of(self.saved.run.get("parent"))
        write_native(
            folder,
            self._module(steps),
            kind="nature" if self._folds else self.settings.network,
            num_actions=self._num_actions(self.candidates[steps]),
            game=self.game,
            preprocess=Preprocess(),
            facts={"training": self._training(steps), "licence": licence, **scores},
        )
        return load_agent(folder)

    def _num_actions(self, weights: dict[str, Tensor]) -> int:
        if self.settings.network == "dueling":
            return len(weights["head.advantage.out.bias"])
        return len(weights["q.bias"]) // (self.settings.num_quantiles if self._folds else 1)

    @property
    def _folds(self) -> bool:
        return self.settings.network == "quantile"

    def _training(self, steps: int) -> dict[str, Any]:
        """What the card says about the run."""
        facts = {"algorithm": _algorithm(self.settings), "agent_steps": steps}
        line = curve_line(self.source, steps)
        if line is not None:
            facts |= {
                "updates": int(line["updates"]),
                "minutes": round(float(line["seconds"]) / 60),
            }
        run = self.saved.run
        facts |= parent_entries(run.get("parent"))
        facts |= {"seed": run["seed"], "curve": CURVE} | run.get("made_with", {})
        return facts | {"config": asdict(self.settings)}


def agent_folder(out: Path, name: str, replace: bool) -> Path:
    """Where the agent will be; UsageError if it cannot be there."""
    if not name or Path(name).name != name or name.startswith("."):
        raise UsageError(f"an agent's name is a plain folder name, got '{name}'")
    folder = out / name
    check_folder(out)
    if folder.exists() or folder.is_symlink():
        if not replace:
            raise UsageError(f"'{folder}' is there already; replace it or take another name")
        if folder.is_symlink() or not (folder / "agent.toml").is_file():
            raise UsageError(f"'{folder}' is no agent's folder, so it is not replaced")
    return folder


def _algorithm(settings: TrainSettings) -> str:
    double = "Double " if settings.target == "double" else ""
    kind = {"quantile": "QR-DQN folded into its mean", "dueling": "dueling DQN"}
    attacked = f"FGSM at lambda {settings.adversarial_lambda:g} on {settings.adversarial_share:.0%}"
    adversarial = f", {attacked} of the observations" if settings.adversarial_lambda else ""
    return (
        f"{double}{kind.get(settings.network, 'DQN')}, {settings.n_step}-step returns{adversarial}"
    )


def _last(run: Path) -> Saved:
    last = latest_checkpoint(run / "checkpoints")
    if last is None:
        raise UsageError(f"'{run}' holds no run: there is no complete checkpoint in it")
    return read_checkpoint(last)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error
