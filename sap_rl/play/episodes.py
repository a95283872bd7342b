"""What an episode is: everything about it that chance decides follows from (seed, index)."""

from __future__ import annotations

import numpy as np

from sap_rl.seeds import numpy_stream, stream_seed


def env_seed(seed: int, index: int) -> int:
    """The emulator's seed, 31 bits; it also decides the number of no-ops."""
    return stream_seed(seed, "env", index) % 2**31


class EpsilonDraws:
    """The random actions of one episode, decided before it is played.

    The same (seed, index, step) gives the same draws in every arm. epsilon: share of steps whose
    action is uniform over num_actions; max_steps: agent steps the episode can have at most.
    """

    def __init__(
        self, seed: int, index: int, *, epsilon: float, num_actions: int, max_steps: int
    ) -> None:
        rng = numpy_stream(seed, "epsilon", index)
        when, which = rng.random((max_steps, 2)).T  # row by row: a longer cap changes no draw
        self._explore: list[bool] = (when < epsilon).tolist()
        self._actions: list[int] = (which * num_actions).astype(np.int64).tolist()

    def replace(self, step: int, action: int) -> int:
        """The action played at this step where the policy chose `action`."""
        return self._actions[step] if self._explore[step] else action


class ActionDraws:
    """The draws by which an episode's actions are sampled, one per step.

    The same (seed, index, step) gives the same draw in every arm.
    """

    def __init__(self, seed: int, index: int) -> None:
        self._rng = numpy_stream(seed, "action", index)

    def action(self, chances: np.ndarray) -> int:
        """The action that the next draw falls on; chances [A] need not add up to 1 exactly."""
        bounds = np.cumsum(chances)
        found = np.searchsorted(bounds, self._rng.random() * bounds[-1], side="right")
        return min(int(found), len(chances) - 1)


def max_agent_steps(max_frames: int, frameskip: int) -> int:
    """Agent steps within a cap on emulator frames, with room for a rounded-up last one."""
    return int(np.ceil(max_frames / frameskip)) + 1
