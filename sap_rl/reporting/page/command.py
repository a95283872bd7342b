"""The command that repeats an evaluation, or why none does."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from sap_rl.atari.preprocess import Preprocess
from sap_rl.evaluation.facts import AgentFacts
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.stopping import has_ended
from sap_rl.plain import OptionValue, to_plain

UNSAID = "OTHER"
"""Stands for the agent behind victim `other` where results do not name it."""


def eval_command(evaluation: Evaluation) -> str:
    """`sap-rl eval` with everything that the results state, nothing left to defaults.

    It gives other numbers where a stopping rule played on; see `repetition`.
    """
    settings, agent = evaluation.settings, evaluation.agent
    options: list[tuple[str, Any]] = [
        ("game", settings.game),
        ("agent", agent.origin.agent or agent.name),
        *_loading(agent),
        ("lambda", [_word(lam) for lam in settings.lams]),
        *_plain(settings, agent),
        *sorted(settings.attack_options.items()),
    ]
    if settings.schedule.when != "every":
        options.append(("schedule", settings.schedule.text))
    options.append(("defense", settings.defense or "none"))
    options += [(k, v) for k, v in settings.defense_options.items() if k != "skip"]
    other = agent.origin.other or agent.other or UNSAID
    victims = [other if victim == "other" else victim for victim in settings.victims]
    options.append(("victim", ",".join(victims)))
    words = ["sap-rl eval"]
    for name, value in options:
        if value is not None:
            parts = value if isinstance(value, list) else [_word(value)]
            shown = " ".join(shlex.quote(part) for part in parts)
            words.append(f"--{name.replace('_', '-')} {shown}")
    return " ".join(words + ([] if settings.controls else ["--no-controls"]))


def _plain(settings: Settings, agent: AgentFacts) -> Iterator[tuple[str, OptionValue]]:
    """Options that are spelled as they are."""
    yield "attack", settings.attack
    yield "attack_backward", settings.attack_backward
    yield "episodes", settings.episodes
    yield "num_envs", settings.num_envs
    yield "seed", settings.seed
    yield "precision", settings.precision
    yield "device", agent.device
    yield "threads", agent.threads
    protocol = settings.protocol
    yield "frames", protocol.frames
    yield "observation", protocol.observation
    yield "max_frames", protocol.max_frames
    yield "epsilon", protocol.epsilon
    yield "grad_samples", protocol.grad_samples
    yield "policy_samples", protocol.policy_samples


def repetition(evaluation: Evaluation) -> tuple[str, str | None]:
    """What to say before the command that repeats an evaluation, and the command; None where no
    `sap-rl eval` gives these numbers."""
    agent = evaluation.agent
    if evaluation.looked:
        return " ".join(_stopping(evaluation)), None
    said = "Repeat it with"
    named = [agent.name] if agent.origin.agent is None else []
    if "other" in evaluation.settings.victims and agent.origin.other is None:
        named.append(agent.other or UNSAID)
    if named:
        names = " and ".join(f"'{name}'" for name in named)
        said = (
            f"From where {names} was loaded is not recorded, only the name and the hash. If it is "
            "found by that name, repeat it with"
        )
    return said, eval_command(evaluation)


def _stopping(evaluation: Evaluation) -> Iterator[str]:
    settings, rule = evaluation.settings, evaluation.made.until
    if rule is None:
        yield "Played by a sweep with a stopping rule (--until-ci), which is not recorded."
    else:
        ended = (
            f"ended after {settings.episodes}."
            if has_ended(evaluation, rule)
            else f"which HAS NOT ENDED YET: {settings.episodes} are shown; the same sweep "
            "into the same store plays on."
        )
        yield (
            f"Played by a sweep with the stopping rule --until-ci {rule.text}: first looked at "
            f"after {rule.least} episodes of each arm, played on up to {rule.most} at most "
            f"(`episodes`), {ended}"
        )
    yield (
        "No sap-rl eval gives these numbers: episodes after the first look have draws of their "
        f"own, and the intervals of this look are at level {100 * settings.look_level:.2f}%, so "
        "that those of all looks together hold at 95%. Run the same sweep into a new store."
    )


def _loading(agent: AgentFacts) -> Iterator[tuple[str, Any]]:
    """What `load_agent` was told; where that was not recorded, what the agent saw."""
    loading = agent.origin.loading
    if agent.origin.agent is None:
        plain, seen = to_plain(Preprocess()), to_plain(agent.preprocess)
        loading = {"preprocess": {k: v for k, v in seen.items() if v != plain[k]}}
    yield "format", loading.get("format")
    entries = loading.get("preprocess")
    yield "preprocess", [f"{k}={_entry(v)}" for k, v in entries.items()] if entries else None


def _entry(value: OptionValue) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else _word(value)


def _word(value: Any) -> str:
    """A value as a word of the command line, short where that is exact."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
