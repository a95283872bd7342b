"""The command that repeats an evaluation."""

from __future__ import annotations

import shlex
from typing import Any

from sap_rl.evaluation.results import Evaluation

PLAIN = (
    "attack", "attack_backward", "episodes", "num_envs", "seed", "precision", "device", "threads",
)  # fmt: skip
PROTOCOL = ("frames", "observation", "max_frames", "epsilon", "grad_samples", "policy_samples")
UNSAID = "OTHER"
"""Stands for the agent behind victim `other` where results do not name it."""


def eval_command(evaluation: Evaluation) -> str:
    """`sap-rl eval` with everything that the results state, nothing left to defaults."""
    config, protocol = evaluation.config, evaluation.protocol
    options: list[tuple[str, Any]] = [("game", config["game"]), ("agent", config["agent"])]
    options.append(("lambda", " ".join(f"{lam:g}" for lam in config["lams"])))
    options += [(name, config[name]) for name in PLAIN]
    options += [(name, protocol[name]) for name in PROTOCOL]
    options += sorted(config["attack_options"].items())
    schedule = config["schedule"]
    if schedule["when"] != "every":
        options.append(("schedule", f"{schedule['when']}-{schedule['level']:g}"))
    options.append(("defense", config["defense"] or "none"))
    options += [(k, v) for k, v in config["defense_options"].items() if k != "skip"]
    other = config.get("other") or UNSAID
    victims = [other if victim == "other" else victim for victim in config["victims"]]
    options.append(("victim", ",".join(victims)))
    words = ["sap-rl eval"]
    for name, value in options:
        if value is not None:
            shown = str(value) if name == "lambda" else shlex.quote(_word(value))
            words.append(f"--{name.replace('_', '-')} {shown}")
    return " ".join(words + ([] if config["controls"] else ["--no-controls"]))


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
