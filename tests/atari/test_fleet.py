"""Groups of emulators play the games that one vector of them plays."""

from __future__ import annotations

import numpy as np
import pytest

from sap_rl.atari.env import make_atari
from sap_rl.atari.fleet import GROUP, Fleet, make_fleet
from sap_rl.atari.protocol import Preprocess, Protocol
from tests.play.toy import Counting

PROTOCOL = Protocol(max_frames=400)


def test_every_group_size_shows_the_same_games() -> None:
    """Five rows of which two stop and one starts anew, against one vector of five."""
    vector = Fleet([make_atari("BankHeist", 5, protocol=PROTOCOL)])
    grouped = make_fleet("BankHeist", 5, protocol=PROTOCOL, preprocess=Preprocess())
    assert [group.num_envs for group in grouped.groups] == [GROUP, GROUP, 1]
    rng = np.random.default_rng(0)
    rows = np.arange(5)
    for fleet in (vector, grouped):
        fleet.reset(rows, 100 + rows)
    for step in range(60):
        if step == 20:
            rows = np.array([0, 3, 4])
        if step == 40:
            for fleet in (vector, grouped):
                fleet.reset(np.array([1]), np.array([7]))
            rows = np.array([0, 1, 4])
        actions = rng.integers(18, size=len(rows))
        found = [fleet.step(rows, actions) for fleet in (vector, grouped)]
        for one, other in zip(*found, strict=True):
            assert np.array_equal(one, other)
        assert vector.obs is not None
        assert grouped.obs is not None
        assert np.array_equal(vector.obs[rows], grouped.obs[rows])
    vector.close()
    grouped.close()


def test_a_group_without_a_game_stands_still() -> None:
    groups = [Counting(2), Counting(2), Counting(1)]
    fleet = Fleet(groups)
    fleet.reset(np.array([0, 4]), np.array([5, 6]))
    reward, terminated, truncated = fleet.step(np.array([0, 4]), np.array([2, 1]))
    assert reward.tolist() == [1.0, 1.0]
    assert not (terminated | truncated).any()
    assert [action for _, _, _, action in groups[0].log] == [2, 0]
    assert groups[1].log == []
    assert [(env, action) for env, _, _, action in groups[2].log] == [(0, 1)]
    assert fleet.obs is not None
    assert fleet.obs[:, 0, 0, 0].tolist() == [1, 1, 0, 0, 1]


def test_rows_keep_their_order() -> None:
    """What comes back belongs to the row at that place, whichever group it lies in."""
    fleet = Fleet([Counting(2), Counting(2)])
    fleet.reset(np.arange(4), np.array([0, 6, 0, 6]))  # games of 1 and 7 steps
    _, terminated, _ = fleet.step(np.array([3, 2, 0]), np.zeros(3, np.int64))
    assert terminated.tolist() == [False, True, True]


@pytest.mark.parametrize("num_envs", [1, 2, 3])
def test_a_fleet_has_as_many_as_asked_for(num_envs: int) -> None:
    fleet = make_fleet("BankHeist", num_envs, protocol=PROTOCOL, preprocess=Preprocess())
    assert (fleet.num_envs, fleet.num_actions) == (num_envs, 18)
    fleet.close()
