"""Every episode of the list is played to its end, whatever its length."""

from __future__ import annotations

import numpy as np
import pytest

from sap_rl.atari.env import make_atari
from sap_rl.atari.protocol import Protocol
from sap_rl.play.episodes import EpsilonDraws, env_seed
from sap_rl.play.rollout import Episode, Step, rollout
from tests.play.toy import Constant, Counting


def play(num_envs: int, episodes: int, *, epsilon: float = 0.0) -> tuple[list, Counting, Constant]:
    envs, player = Counting(num_envs), Constant()
    events = list(
        rollout(envs, player, episodes=range(episodes), seed=11, epsilon=epsilon, max_steps=20)
    )
    return events, envs, player


@pytest.mark.parametrize("num_envs", [1, 3, 8, 40])
def test_returns_are_unbiased_by_length(num_envs: int) -> None:
    events, _, _ = play(num_envs, 23)
    found = {e.index: (e.ret, e.length, e.truncated) for e in events if isinstance(e, Episode)}
    wanted = {i: Counting.length(env_seed(11, i)) for i in range(23)}
    assert found == {i: (float(n), n, False) for i, n in wanted.items()}
    assert sum(isinstance(e, Episode) for e in events) == 23


def test_taking_the_first_to_finish_would_be_biased() -> None:
    """The planted trap is real: short episodes end first."""
    events, _, _ = play(40, 40)
    ended = [e.ret for e in events if isinstance(e, Episode)]
    assert np.mean(ended[:8]) < np.mean(ended) - 0.5


def test_idle_environments_cost_no_decision() -> None:
    events, _, player = play(4, 5)
    steps = sum(Counting.length(env_seed(11, i)) for i in range(5))
    assert sum(len(rows) for rows, _, _ in player.asked) == steps
    assert sum(len(e.pixels) for e in events if isinstance(e, Step)) == steps


def test_first_marks_the_start_of_each_episode_and_nothing_else() -> None:
    _, _, player = play(3, 9)
    for _, first, counts in player.asked:
        assert first == [count == 0 for count in counts]


def test_actions_are_the_episodes_own_draws() -> None:
    _, envs, _ = play(3, 9, epsilon=0.5)
    by_seed = {env_seed(11, i): i for i in range(9)}
    played: dict[tuple[int, int], int] = {}
    for _, seed, step, action in envs.log:  # an idle environment plays its last game again
        played.setdefault((seed, step), action)
    played = {key: action for key, action in played.items() if key[0] in by_seed}
    assert len(played) == sum(Counting.length(seed) for seed in by_seed)
    for (seed, step), action in played.items():
        draws = EpsilonDraws(11, by_seed[seed], epsilon=0.5, num_actions=3, max_steps=20)
        assert action == draws.replace(step, 0)


def test_the_step_holds_what_the_player_saw() -> None:
    events, _, player = play(3, 7)
    shown = [e.pixels[:, 0, 0, 0].tolist() for e in events if isinstance(e, Step)]
    assert shown == [counts for _, _, counts in player.asked]


def test_later_episodes_alone_are_the_same_games() -> None:
    def found(episodes: range) -> list[Episode]:
        events = rollout(
            Counting(3), Constant(), episodes=episodes, seed=11, epsilon=0.0, max_steps=20
        )
        return sorted((e for e in events if isinstance(e, Episode)), key=lambda e: e.index)

    assert found(range(5, 9)) == found(range(9))[5:]


def test_real_episodes_do_not_depend_on_the_number_of_environments() -> None:
    found = []
    for num_envs in (1, 3):
        envs = make_atari("BankHeist", num_envs, protocol=Protocol(max_frames=1200))
        events = rollout(envs, Constant(), episodes=range(7), seed=2, epsilon=1.0, max_steps=301)
        found.append({e.index: e for e in events if isinstance(e, Episode)})
        envs.close()
    assert found[0] == found[1]
    assert all((e.truncated, e.length) == (True, 300) for e in found[0].values())
    assert len({e.ret for e in found[0].values()}) > 1
