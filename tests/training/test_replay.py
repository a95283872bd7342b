"""The ring against a list of whole observations, and sums by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest

from sap_rl import Protocol, make_atari
from sap_rl.training.dqn.collect import Collector, Explorer
from sap_rl.training.replay import CUT, ENDED, ONWARD, VOID, Replay
from tests.training.dqn.corridor import Corridor

SHAPE = (4, 2, 2)


@dataclass
class Entry:
    """A row of one environment as the twin keeps it: the whole observation."""

    obs: np.ndarray
    action: int
    reward: float
    kind: int


class Twin:
    """Lists of whole stacks; as slow and as plain as can be."""

    def __init__(self, num_envs: int, n_step: int, gamma: float) -> None:
        self.n_step, self.gamma = n_step, gamma
        self.rows: list[list[Entry]] = [[] for _ in range(num_envs)]

    def transition(self, env: int, row: int) -> tuple[np.ndarray, int, float, float, np.ndarray]:
        entries = self.rows[env]
        total, discount, now = 0.0, 1.0, row
        for _ in range(self.n_step):
            entry = entries[now]
            total += discount * np.sign(entry.reward)
            discount *= self.gamma
            now += 1
            if entry.kind == ENDED:
                discount = 0.0
            if entry.kind != ONWARD:
                break
        return entries[row].obs, entries[row].action, total, discount, entries[now].obs


def random_history(replay: Replay, twin: Twin, rng: np.random.Generator, rows: int) -> None:
    num_envs = replay.num_envs
    stacks = np.zeros((num_envs, *SHAPE), np.uint8)
    first = np.ones(num_envs, np.bool_)
    for _ in range(rows):
        if rng.random() < 0.03:  # a boundary: every game is cut and begins anew
            frame = _push(stacks, first, rng)
            for env in range(num_envs):
                if twin.rows[env] and twin.rows[env][-1].kind == ONWARD:
                    twin.rows[env][-1].kind = CUT
                twin.rows[env].append(Entry(stacks[env].copy(), 0, 0.0, VOID))
            replay.cut(frame, first)
            first = np.ones(num_envs, np.bool_)
            continue
        frame = _push(stacks, first, rng)
        over = np.array([bool(r) and r[-1].kind in (CUT, ENDED) for r in twin.rows])
        over &= (np.arange(num_envs) % 2 == 0) & ~first  # odd ones only lose lives
        kind = rng.choice([ONWARD, ENDED, CUT], p=[0.8, 0.15, 0.05], size=num_envs)
        kind[(kind == CUT) & (np.arange(num_envs) % 2 == 1)] = ONWARD
        kind = np.where(over, VOID, kind).astype(np.uint8)
        action = rng.integers(9, size=num_envs)
        reward = rng.normal(size=num_envs).round(1)
        replay.add(frame, first, action, reward, kind)
        for env in range(num_envs):
            twin.rows[env].append(
                Entry(stacks[env].copy(), int(action[env]), float(reward[env]), int(kind[env]))
            )
        first = kind == VOID


def _push(stacks: np.ndarray, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    stacks[first] = 0
    stacks[:, :-1] = stacks[:, 1:]
    frame = rng.integers(1, 256, size=(len(stacks), *SHAPE[1:]), dtype=np.uint8)
    stacks[:, -1] = frame
    return frame


@pytest.mark.parametrize("n_step", [1, 3, 5])
@pytest.mark.parametrize("rows", [12, 40, 150])
def test_equals_the_twin_under_random_operations(n_step: int, rows: int) -> None:
    rng = np.random.default_rng(rows + n_step)
    replay = Replay(4 * 30, 4, shape=SHAPE, n_step=n_step, gamma=0.9)
    twin = Twin(4, n_step, 0.9)
    random_history(replay, twin, rng, rows)
    low, high = replay.sampleable
    assert high - low >= min(rows, 30) - n_step - 3
    seen = set()
    for _ in range(40):
        state = rng.bit_generator.state
        row, env = replay._draw(16, rng)
        rng.bit_generator.state = state
        batch = replay.sample(16, rng)
        for i in range(16):
            want = twin.transition(int(env[i]), int(row[i]))
            seen.add((int(env[i]), int(row[i])))
            assert twin.rows[env[i]][row[i]].kind != VOID
            np.testing.assert_array_equal(batch.obs_tm1[i].numpy(), want[0])
            assert int(batch.action_tm1[i]) == want[1]
            assert float(batch.reward_t[i]) == pytest.approx(want[2], abs=1e-6)
            assert float(batch.discount_t[i]) == pytest.approx(want[3], abs=1e-6)
            if want[3] > 0:
                np.testing.assert_array_equal(batch.obs_t[i].numpy(), want[4])
    usable = {
        (env, row)
        for env in range(4)
        for row in range(low, high)
        if twin.rows[env][row].kind != VOID
    }
    assert len(seen) > 0.9 * len(usable)
    assert seen <= usable


def test_three_step_sums_by_hand_across_an_end() -> None:
    replay = Replay(100, 1, shape=SHAPE, n_step=3, gamma=0.5)
    kinds = [ONWARD, ONWARD, ENDED, VOID, ONWARD, CUT, VOID, ONWARD, ONWARD, ONWARD, ONWARD]
    rewards = [7.0, -3.0, 2.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 5.0]
    for row, (kind, reward) in enumerate(zip(kinds, rewards, strict=True)):
        first = row in (0, 4, 7)
        replay.add(
            np.full((1, 2, 2), row + 1, np.uint8), np.array([first]), np.array([row]),
            np.array([reward]), np.array([kind], np.uint8),
        )  # fmt: skip
    rows = np.array([0, 1, 2, 4, 5, 7])
    total, discount, steps = replay._returns(rows, np.zeros(6, np.int64))
    assert total.tolist() == [1 - 0.5 + 0.25, -1 + 0.5, 1.0, 1.5, 1.0, 0.0]
    assert discount.tolist() == [0.0, 0.0, 0.0, 0.25, 0.5, 0.125]
    assert steps.tolist() == [3, 2, 1, 2, 1, 3]


def test_a_lost_life_ends_the_bootstrap_but_not_the_stack() -> None:
    replay = Replay(500, 2, n_step=1)
    collector = Collector(Corridor(2, cap=12, life=5), replay, life_loss=True)
    _play(collector, steps=60, seed=0)
    kinds = replay._kind[: 60 * 2].reshape(60, 2)
    rows, envs = np.nonzero(kinds == ENDED)
    lost = [(r, e) for r, e in zip(rows, envs, strict=True) if kinds[r + 1, e] != VOID]
    assert lost
    for row, env in lost:
        assert replay._age[(row + 1) * 2 + env] == 3
    free = Replay(500, 2, n_step=1)
    _play(Collector(Corridor(2, cap=12, life=5), free, life_loss=False), steps=60, seed=0)
    ends = np.nonzero(free._kind[: 60 * 2].reshape(60, 2) == ENDED)
    assert len(ends[0]) < len(rows)


def test_stacks_are_the_emulators_own() -> None:
    """Real games with real ends: what is sampled is what AtariVectorEnv showed."""
    envs = make_atari("BankHeist", 3, protocol=Protocol(max_frames=400))
    replay = Replay(3 * 400, 3, n_step=2, gamma=0.9)
    collector = Collector(envs, replay, life_loss=True)
    shown = _play(collector, steps=320, seed=1)
    envs.close()
    assert (replay._kind == VOID)[: 320 * 3].sum() >= 6
    rng = np.random.default_rng(0)
    for _ in range(10):
        state = rng.bit_generator.state
        row, env = replay._draw(32, rng)
        rng.bit_generator.state = state
        batch = replay.sample(32, rng)
        _, _, steps = replay._returns(row, env)
        for i in range(32):
            np.testing.assert_array_equal(batch.obs_tm1[i].numpy(), shown[row[i]][env[i]])
            np.testing.assert_array_equal(batch.obs_t[i].numpy(), shown[row[i] + steps[i]][env[i]])


def _play(collector: Collector, *, steps: int, seed: int) -> list[np.ndarray]:
    """Random actions; the observations acted on."""
    num_actions = int(collector.envs.single_action_space.n)
    explorer = Explorer(num_actions, np.random.default_rng(seed))
    collector.reset(seed, 0)
    shown = []
    for _ in range(steps):
        shown.append(collector.obs.copy())
        collector.send(explorer.replace(np.zeros(collector.num_envs, np.int64), 1.0))
        collector.receive()
    return shown


def test_games_are_reported_with_the_games_own_score_and_length() -> None:
    collector = Collector(Corridor(4, cap=8), Replay(900, 4), life_loss=True)
    collector.reset(0, 0)
    games = []
    for _ in range(60):
        collector.send(np.ones(4, np.int64))  # always right: 3 - start cell steps, then 5 points
        games += collector.receive()
    assert {(game.ret, game.truncated) for game in games} == {(5.0, False)}
    assert {game.length for game in games} == {1, 2, 3}
    collector.reset(0, 0)
    for _ in range(30):
        collector.send(np.zeros(4, np.int64))
        games += collector.receive()
    assert (games[-1].ret, games[-1].length, games[-1].truncated) == (0.0, 8, True)


def test_a_saved_replay_samples_the_same() -> None:
    replay, twin = Replay(120, 4, shape=SHAPE), Twin(4, 3, 0.99)
    random_history(replay, twin, np.random.default_rng(0), 47)
    again = Replay(120, 4, shape=SHAPE)
    again.load({name: array.copy() for name, array in replay.state().items()})
    one = replay.sample(64, np.random.default_rng(1))
    two = again.sample(64, np.random.default_rng(1))
    for name in ("obs_tm1", "action_tm1", "reward_t", "discount_t", "obs_t"):
        assert getattr(one, name).equal(getattr(two, name))
    with pytest.raises(ValueError, match="30 x 4"):
        Replay(160, 4, shape=SHAPE).load(replay.state())


def test_bytes_per_transition_and_time_per_sample() -> None:
    replay = Replay(8 * 400, 8)
    rng = np.random.default_rng(0)
    for _ in range(400):
        replay.add(
            np.zeros((8, 84, 84), np.uint8), np.zeros(8, np.bool_), np.zeros(8, np.int64),
            np.zeros(8), np.zeros(8, np.uint8),
        )  # fmt: skip
    stored = sum(array.nbytes for array in replay.state().values())
    assert stored / (8 * 400) <= 7200
    times = []
    for _ in range(50):
        began = time.perf_counter()
        replay.sample(32, rng)
        times.append(time.perf_counter() - began)
    assert min(times) < 2e-3  # 0.3 to 0.6 ms on one free core; others may be busy


def test_an_empty_replay_says_so() -> None:
    with pytest.raises(RuntimeError, match="none can be sampled"):
        Replay(100, 2).sample(4, np.random.default_rng(0))
