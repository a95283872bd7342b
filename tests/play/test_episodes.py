"""Who plays which episode, and what chance decides in it."""

from __future__ import annotations

import numpy as np

from sap_rl.play.episodes import EpsilonDraws, env_seed, max_agent_steps


def draws(index: int, *, epsilon: float = 0.3, max_steps: int = 400, seed: int = 5) -> list[int]:
    found = EpsilonDraws(seed, index, epsilon=epsilon, num_actions=4, max_steps=max_steps)
    return [found.replace(step, 99) for step in range(min(max_steps, 400))]


def test_draws_depend_on_seed_and_index_alone() -> None:
    assert draws(0) == draws(0)
    assert draws(0) != draws(1)
    assert draws(0) != draws(0, seed=6)


def test_a_longer_cap_changes_no_draw() -> None:
    assert draws(3, max_steps=400) == draws(3, max_steps=27_000)[:400]


def test_epsilon_is_the_share_of_random_actions_and_they_are_uniform() -> None:
    many = np.array([draw for index in range(100) for draw in draws(index)])
    # 40,000 draws: standard errors 0.0023 and, per action of 12,000, 0.0040
    assert abs((many != 99).mean() - 0.3) < 0.01
    assert np.allclose(
        np.bincount(many[many != 99], minlength=4) / (many != 99).sum(), 0.25, atol=0.02
    )


def test_epsilon_0_and_1() -> None:
    assert set(draws(0, epsilon=0.0)) == {99}
    assert set(draws(0, epsilon=1.0)) == {0, 1, 2, 3}


def test_a_larger_epsilon_keeps_the_random_actions_of_a_smaller_one() -> None:
    few, more = draws(0, epsilon=0.1), draws(0, epsilon=0.5)
    assert all(a == b for a, b in zip(few, more, strict=True) if a != 99)


def test_env_seeds_are_31_bits_and_differ() -> None:
    seeds = [env_seed(0, index) for index in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert env_seed(1, 0) != env_seed(0, 0)


def test_max_agent_steps_leaves_room() -> None:
    assert max_agent_steps(18_000, 4) >= 4_500
    assert max_agent_steps(10, 4) >= 3
