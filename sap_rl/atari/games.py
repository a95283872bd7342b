"""Facts per game, with their provenance, and the many spellings of a game's name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from sap_rl.errors import unknown


@dataclass(frozen=True)
class GameFacts:
    """Published returns of one game; None where the source has none.

    random, human: no-op starts, 30-minute cap (Wang et al. 2016, arXiv 1511.06581).
    dqn_2_5m: mean return while training of Dopamine's DQN (Adam) at 2.5M agent steps, mean of 5
    seeds, sticky actions 0.25 (Castro et al. 2018, arXiv 1812.06110, its published curves): other
    rules than ours, a bar for short training rather than a baseline.
    paper_percent: lambda -> percentage change in reward of SAP-100 against the original Double DQN
    (Dhillon et al. 2018, arXiv 1803.01442, Table 1); lambdas that the paper leaves out are missing.
    """

    random: float | None = None
    human: float | None = None
    paper_percent: dict[float, float] = field(default_factory=dict)
    dqn_2_5m: float | None = None


FACTS: dict[str, GameFacts] = {
    "Assault": GameFacts(
        222.4, 742.0, {0.0: -12.2, 1.0: 10.4, 2.0: 9.8, 4.0: 12.4, 8.0: 16.6}, dqn_2_5m=1131.0
    ),
    "Asterix": GameFacts(
        210.0, 8503.3, {0.0: -33.4, 1.0: 13.3, 2.0: 20.8, 4.0: 14.0, 8.0: 7.4}, dqn_2_5m=2194.0
    ),
    "BankHeist": GameFacts(
        14.2, 753.1, {0.0: -59.2, 1.0: 131.7, 2.0: 204.8, 4.0: 1760.0, 8.0: 60.9}, dqn_2_5m=621.0
    ),
    "BattleZone": GameFacts(
        2360.0,
        37187.5,
        {0.0: -65.8, 1.0: -22.0, 2.0: 110.1, 4.0: 202.6, 8.0: 134.8},
        dqn_2_5m=18594.0,
    ),
    "BeamRider": GameFacts(363.9, 16926.5, {0.0: -15.8, 1.0: 164.5, 2.0: 92.3}, dqn_2_5m=5218.0),
    "Bowling": GameFacts(23.1, 160.7, {0.0: -4.5, 1.0: 3425.9}, dqn_2_5m=28.0),
    "Pong": GameFacts(-20.7, 14.6, dqn_2_5m=6.3),
    "Breakout": GameFacts(1.7, 30.5, dqn_2_5m=47.0),
    "Freeway": GameFacts(0.0, 29.6, dqn_2_5m=6.7),
}


def game_facts(game: str) -> GameFacts:
    """The facts of a game in its canonical name; all None where nothing is recorded."""
    return FACTS.get(game, GameFacts())


@cache
def rom_ids() -> dict[str, str]:
    """Canonical name -> ale-py's rom id for every game of the emulator: BankHeist -> bank_heist."""
    return {"".join(part.capitalize() for part in rom.split("_")): rom for rom in all_roms()}


def all_roms() -> list[str]:
    """The rom ids that ale-py knows, sorted."""
    from ale_py import roms  # it brings gymnasium, which a list of options does not need

    return sorted(roms.get_all_rom_ids())


def canonical_game(name: str) -> str:
    """BankHeist, bank_heist, ALE/BankHeist-v5 and BankHeistNoFrameskip-v4 are all BankHeist.

    Raises UsageError with the nearest known names.
    """
    bare = re.sub(r"(NoFrameskip|Deterministic)?-v\d+$", "", name.removeprefix("ALE/"))
    key = re.sub(r"[^a-z0-9]", "", bare.lower())
    for game in rom_ids():
        if game.lower() == key:
            return game
    raise unknown("game", name, sorted(rom_ids(), key=lambda game: (game not in FACTS, game)))
