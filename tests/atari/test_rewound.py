"""One emulator that goes back: the same games as the vector's, and the same future twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sap_rl.atari.env import make_atari
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.atari.rewound import RewoundAtari

ODD: dict[str, Any] = {"crop": (34, 0, 160, 160), "fill": "repeat", "grey": "resized"}


@pytest.mark.parametrize(
    ("game", "sees", "rules"),
    [
        ("BankHeist", Preprocess(), Protocol(max_frames=120)),
        ("Breakout", Preprocess(max_pool=False, full_action_space=True), Protocol(noop_max=0)),
        ("Qbert", Preprocess(frameskip=2), Protocol(sticky_actions=0.5)),
        ("Pong", Preprocess(**ODD, first_actions=4), Protocol()),
    ],
)
def test_it_plays_the_games_of_the_vector(game: str, sees: Preprocess, rules: Protocol) -> None:
    """Frames, rewards and ends for the same seeds and actions; what is shown after an end nobody
    decides on."""
    one = RewoundAtari(game, protocol=rules, preprocess=sees)
    vector = make_atari(game, 1, protocol=rules, preprocess=sees, num_threads=1)
    assert one.single_action_space == vector.single_action_space  # type: ignore[attr-defined]
    for seed in (3, 2**31 - 1):
        np.testing.assert_array_equal(
            one.reset(seed=[seed])[0], vector.reset(seed=np.array([seed]))[0]
        )
        actions = np.random.default_rng(seed).integers(one.single_action_space.n, size=(40, 1))
        for action in actions:
            found, expected = one.step(action), vector.step(action)
            assert [value[0] for value in found[1:4]] == [value[0] for value in expected[1:4]]
            if found[2] or found[3]:
                assert (rules.max_frames, one.moment().played) == (120, 120)
                break
            np.testing.assert_array_equal(found[0], expected[0])
    vector.close()


def test_it_returns_to_a_moment() -> None:
    """Draws of sticky actions too: the same actions from there have the same future, others
    another."""
    game = RewoundAtari("BankHeist", protocol=Protocol(sticky_actions=0.3), preprocess=Preprocess())
    game.reset(seed=[0])
    for _ in range(20):
        game.step([2])
    there = game.moment()

    def future(action: int) -> np.ndarray:
        game.restore(there)
        return np.concatenate([game.step([action])[0] for _ in range(8)])

    first, other, again = future(3), future(4), future(3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert there.played == 80
