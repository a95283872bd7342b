"""The tables of an agent's card that say where it comes from and under which licence it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.training.checkpoint import Saved
from sap_rl.training.curve import CURVE, curve_line
from sap_rl.training.dqn.parent import UNKNOWN
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.harden.settings import HardenSettings, settled

LICENCE = {"weights": "MIT"}
"""The licence of an agent trained from nothing, or from one that has this licence."""
AS_PARENT = {"weights": "as its parent's"}
OPTIONS = "harden.yaml"
"""The file in an agent's folder that holds the options of its hardening."""


def trained_tables(
    source: Path, run: Mapping[str, Any], settings: TrainSettings, steps: int
) -> dict[str, Any]:
    """What a card says of a training; source: its folder; run: as its checkpoints say."""
    facts: dict[str, Any] = {"algorithm": _algorithm(settings), "agent_steps": steps}
    line = curve_line(source, steps)
    if line is not None:
        facts |= {"updates": int(line["updates"]), "minutes": round(float(line["seconds"]) / 60)}
    facts |= parent_entries(run.get("parent"))
    facts |= {"seed": run["seed"], "curve": CURVE} | run.get("made_with", {})
    facts |= {"config": asdict(settings)}
    return {"training": facts, "licence": licence_of(run.get("parent"))}


def _algorithm(settings: TrainSettings) -> str:
    double = "Double " if settings.target == "double" else ""
    kind = {"quantile": "QR-DQN folded into its mean", "dueling": "dueling DQN"}
    attacked = f"FGSM at lambda {settings.adversarial_lambda:g} on {settings.adversarial_share:.0%}"
    tampers = settings.adversarial_lambda and settings.adversarial_share
    adversarial = f", {attacked} of the observations" if tampers else ""
    if settings.robust_weight:
        adversarial += f", SA-DQN's hinge at lambda {settings.adversarial_lambda:g}"
    return (
        f"{double}{kind.get(settings.network, 'DQN')}, {settings.n_step}-step returns{adversarial}"
    )


def hardened_tables(saved: Saved) -> dict[str, Any]:
    """What a card says of a hardening; UsageError for one that is not finished."""
    made, settings = saved.run, HardenSettings(**saved.run["settings"])
    done, planned = saved.progress.updates, settings.updates
    if done < planned or not planned:
        raise UsageError(
            f"'{saved.path}' has made {done:,} of {planned or 'unplanned'} updates: finish it with "
            "sap-rl harden --resume"
        )
    facts: dict[str, Any] = {
        "algorithm": "adversarial distillation from itself",
        "parent": made["agent"],
        "parent_sha256": made["agent_sha256"] or "",
        "lambda": settings.lam,
        "updates": done,
        "frames": saved.progress.steps,
        "minutes": round(saved.progress.seconds / 60, 1),
        "seed": made["seed"],
        "command": _command(made, settings),
        "curve": CURVE,
    }
    # A stop is a boundary that the command alone does not repeat.
    stops = saved.progress.number - math.ceil(done / settings.checkpoint_updates)
    if stops:
        facts["stops"] = stops
    facts |= made["made_with"] | {"config": asdict(settings)}
    return {"hardening": facts, "licence": AS_PARENT}


def _command(made: Mapping[str, Any], settings: HardenSettings) -> str:
    usual = settled(
        HardenSettings(lam=settings.lam, updates=settings.updates, minutes=settings.minutes),
        made.get("scores", "values"),
    )
    asked = f"--lambda {settings.lam:g} --updates {settings.updates}"
    if settings != usual:
        asked = f"--config {OPTIONS}"
    return (
        f"sap-rl harden --game {made['game']} --agent {made['agent']} {asked} "
        f"--seed {made['seed']} --threads {made['made_with']['threads']}"
    )


def imported_tables(found: Checkpoint) -> dict[str, Any]:
    """What a card says of another project's checkpoint: words and numbers that it states itself; a
    card's own tables are not handed on."""
    plain = {name: v for name, v in found.facts.items() if isinstance(v, str | int | float)}
    return {
        "source": plain | {"sha256": found.sha256 or ""},
        "licence": {"weights": "as the source says"},
    }


def parent_entries(parent: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a card's table [training] says of the parent; nothing where there is none."""
    if parent is None:
        return {}
    steps = parent["agent_steps"]
    return {
        "parent": parent["name"],
        "parent_sha256": parent["sha256"] or "",
        "parent_steps": UNKNOWN if steps is None else steps,
    }


def licence_of(parent: Mapping[str, Any] | None) -> dict[str, str]:
    """The licence of what was trained on from a parent: its own, wherever that is not ours."""
    if parent is None or parent["licence"] == LICENCE["weights"]:
        return LICENCE
    theirs = parent["licence"]
    # "as the source says" means the parent's source, which only the parent's card names.
    named = theirs is not None and not theirs.startswith("as ")
    return {"weights": theirs} if named else AS_PARENT
