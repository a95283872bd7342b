"""Sweeps by name: from the YAML of `configs/` to experiments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sap_rl.agents import shipped_agents
from sap_rl.atari.games import canonical_game
from sap_rl.errors import UsageError, require_at_least, unknown
from sap_rl.schema import underscored
from sap_rl.settings.options import eval_options, read_option
from sap_rl.settings.requests import eval_request
from sap_rl.statistics.sequential import parse_stopping_rule
from sap_rl.sweep.experiments import Experiment

LISTED = ("game", "agent", "defense", "attack", "corruption", "seed")
"""Options that may be lists: every combination is an experiment."""
SWEEP_KEYS = ("experiments", "missing")
FIRST_LOOK = 30
"""Episodes before intervals are looked at for the first time."""
MISSING = ("refuse", "skip")


@dataclass(frozen=True)
class SweepRequest:
    """What a sweep's file asks for; skipped: games for which there is no agent."""

    experiments: tuple[Experiment, ...]
    skipped: tuple[str, ...] = field(default=())


def sweep_request(
    options: Mapping[str, Any], given: Mapping[str, Any], until: str | None = None
) -> SweepRequest:
    """The experiments of a sweep; given: options of the command line, which win; until: how narrow
    intervals are to be, `10%` or in points, with `episodes` as the most that is played.

    Each option as in `sap-rl eval` (but threads); those of LISTED may be lists. `experiments` is a
    list of such mappings, each with the outer ones as its defaults. UsageError for unknown keys,
    with the nearest known ones.
    """
    missing = given.get("missing", options.get("missing", "refuse"))
    if missing not in MISSING:
        raise unknown("value of missing", str(missing), MISSING)
    found: list[Experiment] = []
    skipped: list[str] = []
    for part in _parts(options):
        for single in _combinations(part | {k: v for k, v in given.items() if k != "missing"}):
            game = canonical_game(str(single["game"]))
            if "agent" in single or game in shipped_agents():
                found.append(_experiment(single, until))
            elif missing == "skip":
                skipped.append(game)
            else:
                raise UsageError(
                    f"there is no agent for {game}: name one with `agent`, leave the game out, or "
                    "say `missing: skip`"
                )
    if not found:
        raise UsageError(f"nothing is left to play: no agent for {', '.join(skipped)}")
    return SweepRequest(tuple(found), tuple(dict.fromkeys(skipped)))


def _parts(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The mapping of each entry of `experiments` over the outer one; that alone without entries."""
    _check_keys(options, outer=True)
    outer = {key: value for key, value in options.items() if key not in SWEEP_KEYS}
    entries = options.get("experiments", [{}])
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"experiments must be a list of mappings, got {entries!r:.60}")
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise UsageError(f"experiments must be a list of mappings, got {entry!r:.60} in it")
        inner = underscored(entry)
        _check_keys(inner, outer=False)
        yield outer | inner


def _check_keys(options: Mapping[str, Any], *, outer: bool) -> None:
    known = [name for name in eval_options() if name != "threads"]
    for key in options:
        if key == "threads":
            raise UsageError("a sweep's workers have a thread each; say --workers, not threads")
        if key not in known and not (outer and key in SWEEP_KEYS):
            raise unknown("key", key, [*known, *(SWEEP_KEYS if outer else ())])


def _combinations(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    lists = {key: _list(key, options[key]) for key in LISTED if key in options}
    if "game" not in lists:
        raise UsageError("game is missing: say for example game: [BankHeist]")
    if len(lists["game"]) > 1 and "agent" in lists:
        raise UsageError("an agent goes with one game; give each game's under `experiments`")
    for values in itertools.product(*lists.values()):
        yield options | dict(zip(lists, values, strict=True))


def _list(key: str, value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise UsageError(f"{key} is an empty list")
    return [read_option(key, part) for part in values]


def _experiment(options: Mapping[str, Any], until: str | None) -> Experiment:
    request = eval_request(options)
    settings, rule = request.settings, None
    if until is not None:
        require_at_least("episodes with --until-ci", settings.episodes, 2)
        least = min(FIRST_LOOK, settings.episodes)
        rule = parse_stopping_rule(until, least=least, most=settings.episodes)
        settings = replace(settings, episodes=least, look_level=rule.level_at(least))
    return Experiment(
        request.agent, settings, request.device, request.loading, request.other, until=rule
    )
