"""Replay that stores every frame once and builds stacks and n-step returns when it is asked."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from sap_rl.atari.preprocess import Fill

ONWARD = 0
"""Kind of a row: the episode goes on."""
ENDED = 1
"""Kind of a row: the value after it is 0, as the game was over or, where it counts, a life lost."""
CUT = 2
"""Kind of a row: the episode was cut, and the n-step sum bootstraps from its final frame."""
VOID = 3
"""Kind of a row: no transition, only an episode's final frame."""

ATTEMPTS = 1000
"""Draws before giving up on finding a row that is a transition."""


@dataclass(frozen=True)
class Batch:
    """Transitions; views of buffers that the next `sample` overwrites.

    obs_tm1, obs_t [B, K, H, W] uint8, oldest first; action_tm1 [B] int64; reward_t [B] float32, the
    n-step sum; discount_t [B] float32, gamma^m after m <= n steps, 0 where the bootstrap ends.
    """

    obs_tm1: Tensor
    action_tm1: Tensor
    reward_t: Tensor
    discount_t: Tensor
    obs_t: Tensor

    def split(self, parts: int) -> list[Batch]:
        """The batch cut into `parts` slices at most, of nearly equal size and in order."""
        columns = [getattr(self, field.name).chunk(parts) for field in fields(self)]
        return [Batch(*column) for column in zip(*columns, strict=True)]


class Replay:
    """A ring of the newest vector steps of `num_envs` environments.

    Row t holds for each environment the newest frame of obs_t, the action taken there and what it
    led to (reward, kind). Older frames of the stack are the rows before it, up to the episode's
    first; what stands beyond that `fill` says, as in Preprocess. The final frame of an episode is a
    VOID row.
    capacity: frames in all, 7,056 bytes each at 84x84 plus 14 bytes of facts. Frames lie on
    `device`, the facts by which they are chosen with the host: a sample never waits for a GPU.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        *,
        shape: tuple[int, int, int] = (4, 84, 84),
        n_step: int = 3,
        gamma: float = 0.99,
        sign_rewards: bool = True,
        fill: Fill = "zero",
        device: torch.device | str = "cpu",
    ) -> None:
        self.num_envs, self.n_step, self.gamma = num_envs, n_step, float(gamma)
        self.stack, self.sign_rewards, self.fill = shape[0], sign_rewards, fill
        self.rows = max(capacity // num_envs, n_step + self.stack + 1)
        count = self.rows * num_envs
        # One frame more than there are rows: the zeros before an episode's start.
        pixels = shape[1] * shape[2]
        self._frames = torch.empty((count + 1, pixels), dtype=torch.uint8, device=device)
        self._frames[count] = 0
        self._shape = shape
        self._action = np.zeros(count, np.int64)
        self._reward = np.zeros(count, np.float32)
        self._age = np.zeros(count, np.uint8)
        self._kind = np.full(count, VOID, np.uint8)
        self.written = 0
        self.transitions = 0
        self._ages = np.zeros(num_envs, np.uint8)
        self._buffers: dict[int, Tensor] = {}

    @property
    def next_slots(self) -> slice:
        """Which of the `slots` places for observations the next `add` fills."""
        row = self.written % self.rows
        return slice(row * self.num_envs, (row + 1) * self.num_envs)

    @property
    def slots(self) -> int:
        """Places for observations."""
        return self.rows * self.num_envs

    def add(
        self,
        frame: np.ndarray,
        first: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        kind: np.ndarray,
    ) -> None:
        """Append one vector step.

        frame [E, H, W] uint8: newest frame of the observation acted on; first [E]: it begins an
        episode; action [E]; reward [E]: the game's own; kind [E]: ONWARD, ENDED, CUT or VOID.
        """
        at = self.next_slots
        self._ages = np.where(first, 0, np.minimum(self._ages + 1, self.stack - 1)).astype(np.uint8)
        newest = torch.from_numpy(frame.reshape(self.num_envs, -1))
        self._frames[at].copy_(newest, non_blocking=True)
        self._action[at], self._reward[at] = action, reward
        self._age[at], self._kind[at] = self._ages, kind
        self.written += 1
        self.transitions += int((kind != VOID).sum())

    def cut(self, frame: np.ndarray, first: np.ndarray) -> None:
        """Truncate every open episode at its current observation, whose newest frame is `frame`."""
        row = (self.written - 1) % self.rows
        last = self._kind[row * self.num_envs : (row + 1) * self.num_envs]
        last[last == ONWARD] = CUT
        nothing = np.zeros(self.num_envs, np.int64)
        self.add(frame, first, nothing, nothing, np.full(self.num_envs, VOID))

    @property
    def sampleable(self) -> tuple[int, int]:
        """Rows [from, to) counted from the beginning whose stack and n-step window are all held."""
        oldest = max(self.written - self.rows, 0)
        low = oldest + (self.stack - 1 if oldest else 0)
        return low, max(self.written - self.n_step, low)

    def sample(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """Uniform transitions with replacement."""
        row, env = self._draw(batch_size, rng)
        reward, discount, steps = self._returns(row, env)
        obs = self._gather(
            np.concatenate([self._stack(row, env), self._stack(row + steps, env)])
        ).view(2, batch_size, *self._shape)
        action = torch.from_numpy(self._action[self._index(row, env)])
        return Batch(obs[0], action, torch.from_numpy(reward), torch.from_numpy(discount), obs[1])

    def observations(self, batch_size: int, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        """Uniform observations acted on [B, K, H, W] uint8, with replacement, and their slots [B].

        Views of a buffer that the next call overwrites.
        """
        row, env = self._draw(batch_size, rng)
        obs = self._gather(self._stack(row, env)).view(batch_size, *self._shape)
        return obs, self._index(row, env)

    def _gather(self, stacks: np.ndarray) -> Tensor:
        """The frames at these places, one after another, in a buffer that is used again."""
        count = stacks.size
        if count not in self._buffers:
            self._buffers[count] = self._frames.new_empty((count, self._frames.shape[1]))
        buffer = self._buffers[count]
        index = torch.from_numpy(stacks.ravel()).to(buffer.device, non_blocking=True)
        torch.index_select(self._frames, 0, index, out=buffer)
        return buffer

    def _index(self, row: np.ndarray, env: np.ndarray) -> np.ndarray:
        index: np.ndarray = row % self.rows * self.num_envs + env
        return index

    def _draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.sampleable
        if high <= low:
            raise RuntimeError(f"replay holds {self.written} rows, none can be sampled yet")
        spot = rng.integers(low * self.num_envs, high * self.num_envs, size=count)
        for _ in range(ATTEMPTS):
            row, env = np.divmod(spot, self.num_envs)
            void = self._kind[self._index(row, env)] == VOID
            if not void.any():
                return row, env
            again = rng.integers(low * self.num_envs, high * self.num_envs, size=int(void.sum()))
            spot[void] = again
        raise RuntimeError(f"no transition among rows {low}..{high} of the replay")

    def _returns(
        self, row: np.ndarray, env: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The n-step sum, the discount after it (0 where the bootstrap ends), and its length."""
        total = np.zeros(len(row), np.float32)
        discount = np.ones(len(row), np.float32)
        steps = np.zeros(len(row), np.int64)
        alive = np.ones(len(row), np.bool_)
        for ahead in range(self.n_step):
            index = self._index(row + ahead, env)
            reward = self._reward[index]
            total += discount * alive * (np.sign(reward) if self.sign_rewards else reward)
            steps += alive
            kind = self._kind[index]
            discount *= np.where(alive, np.where(kind == ENDED, 0.0, self.gamma), 1.0)
            alive &= kind == ONWARD
        return total, discount.astype(np.float32), steps

    def _stack(self, row: np.ndarray, env: np.ndarray) -> np.ndarray:
        """Where the frames of each observation lie [B, K], oldest first."""
        back = np.arange(self.stack - 1, -1, -1)
        age = self._age[self._index(row, env)][:, None]
        if self.fill == "repeat":
            return self._index(row[:, None] - np.minimum(back, age), env[:, None])
        index = self._index(row[:, None] - back, env[:, None])
        return np.where(age >= back, index, len(self._frames) - 1)

    def state(self) -> dict[str, np.ndarray]:
        """Everything, as arrays that on a CPU share memory with this replay; only held rows."""
        held = min(self.written, self.rows) * self.num_envs
        counts = np.array([self.written, self.transitions, self.rows, self.num_envs], np.int64)
        return {
            "frames": self._frames[:held].cpu().numpy(),
            "action": self._action[:held],
            "reward": self._reward[:held],
            "age": self._age[:held],
            "kind": self._kind[:held],
            "ages": self._ages,
            "counts": counts,
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over the `state` of another replay; ValueError if its sizes differ."""
        written, transitions, rows, num_envs = state["counts"].tolist()
        if (rows, num_envs) != (self.rows, self.num_envs):
            raise ValueError(
                f"replay of {rows} x {num_envs} frames, not {self.rows} x {self.num_envs}"
            )
        held = len(state["action"])
        self._frames[:held] = torch.from_numpy(state["frames"])
        for name in ("action", "reward", "age", "kind"):
            getattr(self, f"_{name}")[:held] = state[name]
        self._ages = state["ages"].copy()
        self.written, self.transitions = written, transitions
