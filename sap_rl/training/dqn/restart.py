"""Where a run begins: from nothing, from its last checkpoint, or from an agent's weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sap_rl.agents import Agent
from sap_rl.atari.protocol import Preprocess
from sap_rl.errors import UsageError
from sap_rl.evaluation.run import versions
from sap_rl.machine import commit, describe_hardware
from sap_rl.networks import NETWORKS
from sap_rl.networks.quantile import fold_quantiles, quantile_network
from sap_rl.schema import with_defaults
from sap_rl.seeds import stream_seed
from sap_rl.training.checkpoint import (
    Progress,
    Saved,
    clear_unfinished,
    latest_checkpoint,
    read_checkpoint,
)
from sap_rl.training.dqn.learner import Learner
from sap_rl.training.dqn.settings import CHANGEABLE, TrainSettings
from sap_rl.training.parentage import stated_number
from sap_rl.training.replay import Replay


def fresh_network(num_actions: int, seed: int, settings: TrainSettings) -> nn.Sequential:
    """The network of the settings, with torch's initial weights drawn from the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "train-init"))
        if settings.network == "quantile":
            return quantile_network(num_actions, num_quantiles=settings.num_quantiles)
        return NETWORKS[settings.network](num_actions)


def playable(network: nn.Module, settings: TrainSettings) -> nn.Module:
    """A copy in float32 whose outputs are action values [B, A]: a quantile network folds."""
    if settings.network == "quantile":
        assert isinstance(network, nn.Sequential)
        module: nn.Module = fold_quantiles(network)
    else:
        module = copy.deepcopy(network)
    for parameter in module.parameters():
        parameter.data = parameter.data.contiguous().cpu()
    return module.eval()


def run_identity(game: str, seed: int, settings: TrainSettings) -> dict[str, Any]:
    """What must be equal for a run to be resumed, and what may change."""
    return {"game": game, "seed": seed, "settings": asdict(settings)}


def made_with(device: torch.device, threads: int, dtype: torch.dtype) -> dict[str, Any]:
    """Where and with what a run is made, for its checkpoints and its agent's card."""
    found = {
        "hardware": describe_hardware(device),
        "threads": threads,
        "dtype": str(dtype).removeprefix("torch."),
        "commit": commit(),
        "versions": versions(),
    }
    return {name: value for name, value in found.items() if value is not None}


def prepare_folder(folder: Path, *, resume: bool) -> None:
    """Make the run's folder; refuse to begin anew over checkpoints, or to resume without any."""
    checkpoints = folder / "checkpoints"
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
        clear_unfinished(checkpoints)
    except OSError as error:
        raise UsageError(f"cannot write to '{folder}': {error.strerror}") from error
    last = latest_checkpoint(checkpoints)
    if resume and last is None:
        raise UsageError(f"nothing to resume: no complete checkpoint in '{checkpoints}'")
    if not resume and last is not None:
        raise UsageError(f"'{folder}' already holds a run ({last.name}); resume it or take another")


def begin_from_checkpoint(
    folder: Path, run: dict[str, Any], learner: Learner, replay: Replay, settings: TrainSettings
) -> tuple[Progress, dict[str, Any] | None]:
    """Fill learner and replay from the last checkpoint below `folder`; also the run's parent.

    Where no replay was saved, `restart_warmup_steps` transitions are played before updates go on.
    """
    last = latest_checkpoint(folder)
    assert last is not None
    saved = read_checkpoint(last)
    _check_identity(saved, run)
    try:
        learner.load_parts(saved.parts)
        if saved.replay is not None:
            replay.load(saved.replay)
    except (KeyError, RuntimeError, ValueError) as error:
        raise UsageError(f"checkpoint '{last}' does not fit: {error}") from error
    progress = saved.progress
    learner.updates, learner.lr_origin = progress.updates, progress.lr_origin
    if saved.replay is None:
        progress.owed = 0
        if progress.updates:
            progress.warmup = min(settings.restart_warmup_steps, settings.replay_frames // 2)
    return progress, saved.run.get("parent")


def check_parent(agent: Agent, game: str) -> None:
    """Refuse to train on from an agent of another game, or of one that it sees otherwise."""
    if agent.game not in (None, game):
        raise UsageError(f"agent '{agent.name}' plays {agent.game}, not {game}")
    # Sticky actions are the training's own to set.
    sees, seen = asdict(replace(agent.preprocess, sticky_actions=0.0)), asdict(Preprocess())
    for name, value in sees.items():
        if value != seen[name]:
            raise UsageError(
                f"agent '{agent.name}' sees {name}={value}, training {name}={seen[name]}: "
                "training cannot go on from it"
            )


def begin_from_agent(learner: Learner, agent: Agent, settings: TrainSettings) -> Progress:
    """Take weights and target from an agent that `check_parent` lets pass, with a fresh optimiser.

    Epsilon is at its final value, the learning rate rises over `restart_lr_updates`, and steps and
    updates count on from what the agent's card states.
    """
    weights = {name: value.float() for name, value in agent.module.state_dict().items()}
    wanted = {name: value.shape for name, value in learner.network.state_dict().items()}
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise UsageError(
            f"agent '{agent.name}' is not a {settings.network} network with this game's actions: "
            "training cannot go on from it"
        )
    learner.load_parts({"weights": weights})
    steps, updates = (int(stated_number(agent.facts, name)) for name in ("agent_steps", "updates"))
    learner.updates = learner.lr_origin = updates
    return Progress(
        steps=steps,
        updates=updates,
        seconds=60.0 * stated_number(agent.facts, "minutes"),
        warmup=min(settings.restart_warmup_steps, settings.replay_frames // 2),
        explored=True,
        lr_origin=updates,
        evaluated=steps,
    )


def _check_identity(saved: Saved, run: dict[str, Any]) -> None:
    was, now = saved.run, run
    settings = with_defaults(TrainSettings, was["settings"])
    pairs = [("game", was["game"], now["game"]), ("seed", was["seed"], now["seed"])]
    for name, value in now["settings"].items():
        if name not in CHANGEABLE:
            pairs.append((name, settings[name], value))
    require_same(saved.path, pairs)


def require_same(path: Path, pairs: Iterable[tuple[str, Any, Any]]) -> None:
    """Refuse to go on from a checkpoint where something changed; pairs: (name, before, after)."""
    for name, before, after in pairs:
        if before != after:
            raise UsageError(
                f"'{path}' was made with {name}={before}, not {after}: a resumed run keeps it"
            )
