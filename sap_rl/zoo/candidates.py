"""What may become an agent: a training's checkpoints, a hardening's last, another's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sap_rl.agents import read_checkpoint
from sap_rl.atari.games import canonical_game
from sap_rl.atari.preprocess import Preprocess, preprocess_entries
from sap_rl.errors import UsageError, require_positive
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.reading.layers import empty_network
from sap_rl.training.checkpoint import (
    CHECKPOINTS,
    WEIGHTS,
    Saved,
    complete_checkpoints,
    kind_of,
)
from sap_rl.training.checkpoint import read_checkpoint as read_saved
from sap_rl.training.curve import CURVE
from sap_rl.training.dqn.network import fresh_network, playable
from sap_rl.training.dqn.settings import TrainSettings, train_settings
from sap_rl.zoo.card import OPTIONS, hardened_tables, imported_tables, trained_tables


@dataclass(frozen=True)
class Candidate:
    """A network that may become an agent, in full precision; `checkpoint.name` is the agent's
    unless it is given another.

    tables: of its card, without scores; steps: behind it, None where nobody counted; lam: budget in
    pixels that it was hardened for, 0 for none; files: texts that lie beside the card, by name;
    curve: of its run, None where there is none.
    """

    checkpoint: Checkpoint
    tables: dict[str, Any]
    steps: int | None = None
    lam: float = 0.0
    files: dict[str, str] = field(default_factory=dict)
    curve: Path | None = None


def of_run(run: Path, newest: int) -> list[Candidate]:
    """A training's `newest` checkpoints, the last first, or a hardening's last one alone."""
    require_positive("newest", newest)
    if kind_of(_last(run)) == "harden":
        return [hardened(run)]
    return trained(run, newest)


def trained(run: Path, newest: int) -> list[Candidate]:
    """The latest checkpoints and snapshots of a training, the last first."""
    last, found = _last(run), weights_by_steps(run)
    newest_first = sorted(found, reverse=True)[:newest]
    # Read now: a run that goes on meanwhile may clear its checkpoints away.
    return [_trained(run, last, steps, _read_weights(found[steps])) for steps in newest_first]


def weights_by_steps(run: Path) -> dict[int, Path]:
    """The files of weights that a training keeps, by agent steps."""
    found = {int(path.stem): path for path in (run / "snapshots").glob("[0-9]*.safetensors")}
    for folder in complete_checkpoints(run / CHECKPOINTS):
        found.setdefault(read_saved(folder).progress.steps, folder / WEIGHTS)
    return found


def _trained(run: Path, last: Saved, steps: int, weights: dict[str, Tensor]) -> Candidate:
    settings, game = train_settings(last.run["settings"]), str(last.run["game"])
    try:
        num_actions = _num_actions(settings, weights)
        network = fresh_network(num_actions, 0, settings)
        network.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"weights at step {steps} are of another network: {error}") from error
    # A network of quantiles is folded into its mean.
    kind = "nature" if settings.network == "quantile" else settings.network
    checkpoint = Checkpoint(
        playable(network, settings), num_actions, Preprocess(), game, game, kind=kind
    )
    tables = trained_tables(run, last.run, settings, steps)
    return Candidate(checkpoint, tables, steps=steps, curve=run / CURVE)


def _num_actions(settings: TrainSettings, weights: dict[str, Tensor]) -> int:
    if settings.network == "dueling":
        return len(weights["head.advantage.out.bias"])
    each = settings.num_quantiles if settings.network == "quantile" else 1
    return len(weights["q.bias"]) // each


def hardened(run: Path) -> Candidate:
    """The student of a hardening's last checkpoint; UsageError for any other folder."""
    saved = _last(run)
    if kind_of(saved) != "harden":
        raise UsageError(f"'{run}' holds no hardening: there is no checkpoint of one in it")
    made = saved.run
    if made["network"] is None:
        raise UsageError(
            "a module of one's own has no format to be written in; keep the Agent that harden gives"
        )
    preprocess = Preprocess(**preprocess_entries(made["preprocess"]))
    module = empty_network(made["network"], made["num_actions"], preprocess).to_empty(device="cpu")
    try:
        module.load_state_dict(saved.parts["weights"])
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"'{saved.path}' does not fit its own network: {error}") from error
    checkpoint = Checkpoint(
        module.eval(), made["num_actions"], preprocess, f"{made['agent']}-hardened", made["game"],
        kind=made["network"], scores=made.get("scores", "values"),
    )  # fmt: skip
    tables = hardened_tables(saved)
    options = yaml.safe_dump(tables["hardening"]["config"], sort_keys=False)
    lam = float(made["settings"]["lam"])
    return Candidate(checkpoint, tables, lam=lam, files={OPTIONS: options}, curve=run / CURVE)


def imported(
    source: str | Path,
    *,
    game: str,
    format: str | None = None,
    preprocess: Mapping[str, Any] | None = None,
    entry: str | None = None,
) -> Candidate:
    """A checkpoint of another project; arguments as in `load_agent`.

    UsageError for a file that does not load, or that plays another game.
    """
    game = canonical_game(game)
    found = read_checkpoint(source, format, preprocess, game, entry)
    if found.game not in (None, game):
        raise UsageError(f"'{source}' is an agent of {found.game}, not {game}")
    return Candidate(replace(found, name=game, game=game), imported_tables(found))


def _last(run: Path) -> Saved:
    complete = complete_checkpoints(run / CHECKPOINTS)
    if not complete:
        raise UsageError(f"'{run}' holds no run: there is no complete checkpoint in it")
    return read_saved(complete[-1])


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error
