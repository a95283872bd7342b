"""Where a checkpoint is found: by a game's or an agent's name, as a path, on the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sap_rl.atari.games import canonical_game, rom_ids
from sap_rl.errors import UsageError, unknown
from sap_rl.files import exists
from sap_rl.networks.hub import PREFIX, SUSPECTED, hub_file

AGENTS_VARIABLE = "SAP_RL_AGENTS"
"""Environment variable with a folder of agents that goes before the shipped ones."""


def find_agent(ref: str | Path) -> Path:
    """The folder or file of an agent: a path, a name below $SAP_RL_AGENTS, the checkout or the
    wheel, or `hub:owner/name`."""
    if isinstance(ref, Path):
        if not exists(ref):
            raise UsageError(f"there is no agent's folder '{ref}'")
        return ref
    if ref.startswith(PREFIX):
        return hub_file(ref)
    if "://" in ref:
        raise UsageError(f"'{ref}' is no file: download it first, or say {PREFIX}owner/name")
    if not ref:
        raise UsageError("the agent's name is empty: give a game, a file or a folder")
    if "/" in ref and exists(Path(ref)):
        return Path(ref)
    known = shipped_agents()
    if ref in known:
        return known[ref]
    if exists(Path(ref)):
        return Path(ref)
    try:
        game = canonical_game(ref)
    except UsageError:
        if ref.endswith(SUSPECTED):
            raise UsageError(f"there is no agent's file '{ref}'") from None
        if "/" in ref and not ref.startswith("ALE/"):
            cure = f"; on the hub it is {PREFIX}{ref}" if ref.count("/") == 1 else ""
            raise UsageError(f"there is no agent's folder '{ref}'{cure}") from None
        games = (game for game in rom_ids() if game not in known)
        raise unknown("agent", ref, [*known, *games]) from None
    if game in known:
        return known[game]
    raise UsageError(
        f"no agent for {game} is shipped: give one's file or folder (--agent FILE), or train one "
        f"(sap-rl train --game {game})"
    )


def shipped_agents() -> dict[str, Path]:
    """Name -> folder of every agent that can be found by name; earlier places win."""
    found: dict[str, Path] = {}
    for place in _places():
        for card in sorted(place.glob("[!.]*/agent.toml")) if exists(place) else []:
            found.setdefault(card.parent.name, card.parent)
    return found


def _places() -> Iterator[Path]:
    package = Path(__file__).resolve().parent.parent
    if os.environ.get(AGENTS_VARIABLE):
        yield Path(os.environ[AGENTS_VARIABLE])
    yield package.parent / "agents"
    yield package / "_agents"
