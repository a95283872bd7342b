"""The command that repeats an evaluation, or why none does."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sap_rl.atari.preprocess import Preprocess
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.stopping import has_ended
from sap_rl.statistics.sequential import StoppingRule

PLAIN = (
    "attack", "attack_backward", "episodes", "num_envs", "seed", "precision", "device", "threads",
)  # fmt: skip
PROTOCOL = ("frames", "observation", "max_frames", "epsilon", "grad_samples", "policy_samples")
UNSAID = "OTHER"
"""Stands for the agent behind victim `other` where results do not name it."""


def eval_command(evaluation: Evaluation) -> str:
    """`sap-rl eval` with everything that the results state, nothing left to defaults.

    It gives other numbers where a stopping rule played on; see `repetition`.
    """
    config, protocol = evaluation.config, evaluation.protocol
    options: list[tuple[str, Any]] = [("game", config["game"])]
    options.append(("agent", config.get("agent_ref") or config["agent"]))
    options += _loading(evaluation)
    options.append(("lambda", [_word(lam) for lam in config["lams"]]))
    options += [(name, config[name]) for name in PLAIN]
    options += [(name, protocol[name]) for name in PROTOCOL]
    options += sorted(config["attack_options"].items())
    schedule = config["schedule"]
    if schedule["when"] != "every":
        options.append(("schedule", f"{schedule['when']}-{schedule['level']:g}"))
    options.append(("defense", config["defense"] or "none"))
    options += [(k, v) for k, v in config["defense_options"].items() if k != "skip"]
    other = config.get("other_ref") or config.get("other") or UNSAID
    victims = [other if victim == "other" else victim for victim in config["victims"]]
    options.append(("victim", ",".join(victims)))
    words = ["sap-rl eval"]
    for name, value in options:
        if value is not None:
            parts = value if isinstance(value, list) else [_word(value)]
            shown = " ".join(shlex.quote(part) for part in parts)
            words.append(f"--{name.replace('_', '-')} {shown}")
    return " ".join(words + ([] if config["controls"] else ["--no-controls"]))


def repetition(evaluation: Evaluation) -> tuple[str, str | None]:
    """What to say before the command that repeats an evaluation, and the command; None where no
    `sap-rl eval` gives these numbers."""
    config = evaluation.config
    if evaluation.looked:
        return " ".join(_stopping(evaluation)), None
    said = "Repeat it with"
    named = [config["agent"]] if config.get("agent_ref") is None else []
    if "other" in config["victims"] and config.get("other_ref") is None:
        named.append(config.get("other") or UNSAID)
    if named:
        names = " and ".join(f"'{name}'" for name in named)
        said = (
            f"From where {names} was loaded is not recorded, only the name and the hash. If it is "
            "found by that name, repeat it with"
        )
    return said, eval_command(evaluation)


def _stopping(evaluation: Evaluation) -> Iterator[str]:
    config = evaluation.config
    rule = config.get("until")
    if rule is None:
        yield "Played by a sweep with a stopping rule (--until-ci), which is not recorded."
    else:
        known = StoppingRule(**rule)
        ended = (
            f"ended after {config['episodes']}."
            if has_ended(evaluation, known)
            else f"which HAS NOT ENDED YET: {config['episodes']} are shown; the same sweep "
            "into the same store plays on."
        )
        yield (
            f"Played by a sweep with the stopping rule --until-ci {known.text}: first looked at "
            f"after {known.least} episodes of each arm, played on up to {known.most} at most "
            f"(`episodes`), {ended}"
        )
    yield (
        "No sap-rl eval gives these numbers: episodes after the first look have draws of their "
        f"own, and the intervals of this look are at level {100 * config['look_level']:.2f}%, so "
        "that those of all looks together hold at 95%. Run the same sweep into a new store."
    )


def _loading(evaluation: Evaluation) -> Iterator[tuple[str, Any]]:
    """What `load_agent` was told; where that was not recorded, what the agent saw."""
    loading = evaluation.config.get("agent_loading")
    if evaluation.config.get("agent_ref") is None or loading is None:
        plain, seen = asdict(Preprocess()), evaluation.protocol["preprocess"]
        loading = {"preprocess": {k: v for k, v in seen.items() if _tuple(v) != plain.get(k)}}
    yield "format", loading.get("format")
    entries = loading.get("preprocess")
    yield "preprocess", [f"{k}={_entry(v)}" for k, v in entries.items()] if entries else None


def _entry(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else _word(value)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _word(value: Any) -> str:
    """Short where that is exact."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
