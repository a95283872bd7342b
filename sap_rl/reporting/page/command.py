"""The command that repeats an evaluation, or why none does."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from sap_rl.atari.preprocess import Preprocess
from sap_rl.atari.protocol import Protocol
from sap_rl.evaluation.facts import AgentFacts
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.stopping import has_ended
from sap_rl.plain import to_plain
from sap_rl.schema import keyed

ATTACKERS = frozenset(keyed(Settings, only=("lams", "attack", "victims", "attack_backward",
    "schedule"))) | {"frames", "observation", "norm", "grad_samples"}  # fmt: skip
"""Options that mean nothing where a corruption spoils the frames."""
UNSAID = "OTHER"
"""Stands for the agent behind victim `other` where results do not name it."""


def eval_command(evaluation: Evaluation) -> str:
    """`sap-rl eval` with everything that the results state, nothing left to defaults.

    It gives other numbers where a stopping rule played on; see `repetition`.
    """
    settings, agent = evaluation.settings, evaluation.agent
    other = agent.origin.other or agent.other or UNSAID
    victims = (other if victim == "other" else victim for victim in settings.victims)
    options: dict[str, Any] = {
        "game": settings.game,
        "agent": agent.origin.agent or agent.name,
        **_loading(agent),
        **_stated(settings),
        **_stated(settings.protocol),
        **settings.attack_options,
        **{key: value for key, value in settings.defense_options.items() if key != "skip"},
        "defense": settings.defense or "none",
        "schedule": settings.schedule.text,
        "victim": ",".join(victims),
        "device": agent.device,
        "threads": agent.threads,
    }
    if settings.corruption is not None:
        options = {k: v for k, v in options.items() if k not in ATTACKERS}
    words = ["sap-rl eval"]
    for key, value in options.items():
        if value is not None and value != ():
            parts = value if isinstance(value, list | tuple) else [value]
            shown = " ".join(shlex.quote(_word(part)) for part in parts)
            words.append(f"--{key.replace('_', '-')} {shown}")
    return " ".join(words)


def _stated(settings: Settings | Protocol) -> dict[str, Any]:
    """The options of a settings class by key."""
    return {key: getattr(settings, option.name) for key, option in keyed(type(settings)).items()}


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


def _loading(agent: AgentFacts) -> dict[str, Any]:
    """What `load_agent` was told; where that was not recorded, what the agent saw."""
    loading = agent.origin.loading
    if agent.origin.agent is None:
        plain, seen = to_plain(Preprocess()), to_plain(agent.preprocess)
        loading = {"preprocess": {k: v for k, v in seen.items() if v != plain[k]}}
    entries = loading.get("preprocess") or {}
    words = [f"{key}={_word(value)}" for key, value in entries.items()]
    given = {"format": loading.get("format"), "preprocess": words or None}
    return given | ({"entry": loading["entry"]} if loading.get("entry") else {})


def _word(value: Any) -> str:
    """A value as a word of the command line, short where that is exact."""
    if isinstance(value, tuple):
        return ",".join(map(_word, value))
    if isinstance(value, bool):
        return str(value).lower()
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
