"""Look-ahead: which action it makes a planted victim take, in a planted game."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sap_rl import Threat, UsageError
from sap_rl.attacks import make_attack
from sap_rl.attacks.lookahead import Lookahead

LEADS = torch.tensor([0.30, 0.28, 0.22, 0.0])
"""Clean values of four actions, each moved by a pixel of its own: at eps 0.1 the second and third
overtake the first, the last cannot."""


def planted(obs: Tensor) -> Tensor:
    """Four actions whose values the first four pixels raise; what is seen later, pixel 5, is its
    worth."""
    flat = obs.flatten(1)
    return LEADS + flat[:, :4] - 0.5 + flat[:, 4:5]


def frames(count: int = 1) -> Tensor:
    obs = torch.full((count, 1, 2, 4), 0.5)
    obs[:, 0, 1] = 0.0
    return obs


class Game:
    """Rewards by (moment, action), after which moment action + 10 comes; worth of what is shown."""

    def __init__(self, rewards: dict[tuple[int, int], float], worth: dict[int, int], end: int = -1):
        self.rewards, self.worth, self.end, self.at = rewards, worth, end, 0

    def moment(self) -> int:
        return self.at

    def restore(self, moment: int) -> None:
        self.at = moment

    def step(self, actions: list[int]) -> tuple[Any, ...]:
        reward = self.rewards.get((self.at, actions[0]), 0.0)
        self.at = actions[0] + 10 if self.at == 0 else 99
        shown = np.full((1, 1, 2, 4), 128, np.uint8)
        shown[0, 0, 1] = self.worth.get(self.at, 0)
        return shown, np.array([reward]), np.array([self.at == self.end]), np.array([False]), {}


def taken(attack: Any, obs: Tensor | None = None, eps: float = 0.1) -> list[int]:
    obs = frames() if obs is None else obs
    adv = attack(planted, obs, Threat(eps * 255), generator=torch.Generator())
    assert float((adv - obs).abs().max()) <= eps + 1e-6
    found: list[int] = planted(adv).argmax(1).tolist()
    return found


def look(game: Game, **options: Any) -> Lookahead:
    return make_attack("lookahead", **options).beside(game)


def test_without_an_emulator_it_is_the_least_valued_action_that_can_be_reached() -> None:
    attack = make_attack("lookahead")
    assert taken(attack, frames(3)) == [2, 2, 2]
    assert taken(attack, eps=0.015) == [1]
    assert taken(make_attack("lookahead", targets=2)) == [1]
    adv = attack(planted, frames(), Threat(0.1), generator=torch.Generator())
    assert torch.equal(adv, frames())


@pytest.mark.parametrize(
    ("rewards", "worth", "end", "horizon", "expected"),
    [
        ({(0, 0): 5, (0, 1): 1, (0, 2): 9}, {}, -1, 1, 1),  # the least reward
        ({(0, 1): 5, (0, 2): 9}, {}, -1, 1, 0),  # none of those that can be reached is worse
        ({(0, 3): -9, (0, 0): 1, (0, 2): 1}, {}, -1, 1, 1),  # the last cannot be
        ({(12, 0): -5}, {}, -1, 1, 0),  # beyond the horizon: a tie, of equal worth
        ({(12, 0): -5}, {}, -1, 2, 2),
        ({}, {10: 9, 11: 3, 12: 6}, -1, 1, 1),  # a tie goes to what is worth least
        ({}, {10: 9, 11: 3, 12: 6}, 12, 1, 2),  # and nothing is worth less than an end
    ],
)
def test_it_chooses_by_what_the_game_makes_of_it(
    rewards: dict[tuple[int, int], float],
    worth: dict[int, int],
    end: int,
    horizon: int,
    expected: int,
) -> None:
    game = Game(rewards, worth, end)
    assert taken(look(game, horizon=horizon)) == [expected]
    assert game.at == 0  # the game stands where it stood


def test_options_that_mean_nothing_are_refused() -> None:
    for options in ({"targets": 0}, {"horizon": 0}, {"steps": 0}):
        with pytest.raises(UsageError, match="must be at least 1, got 0"):
            make_attack("lookahead", **options)
