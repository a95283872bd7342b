"""One emulator whose state can be kept and returned to, by the rules of `make_atari`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ale_py import Action, ALEState
from gymnasium import spaces

from sap_rl.atari.env import emulator, screen_size
from sap_rl.atari.games import canonical_game, rom_ids
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.atari.screen import Lens


@dataclass(frozen=True)
class Moment:
    """A game as it stands: the emulator's state, draws of sticky actions among it, the stack of
    frames [K, H, W], and how many emulator frames were played."""

    state: ALEState
    stack: np.ndarray
    played: int


class RewoundAtari:
    """A vector of one emulator at `make_atari`'s contract, frame for frame the same games.

    `reset` takes an array of one seed, and `step` one action; nothing begins by itself after an
    end. `moment` is where the game stands, `restore` goes back to it.
    """

    num_envs = 1

    def __init__(self, game: str, *, protocol: Protocol, preprocess: Preprocess) -> None:
        self.protocol, self.preprocess = protocol, preprocess
        self._rom = rom_ids()[canonical_game(game)]
        self._colour = preprocess.grey != "first"
        self._lens = Lens(preprocess, screen_size(self._rom))
        self._begin(0)
        legal = preprocess.full_action_space
        actions = self._ale.getLegalActionSet() if legal else self._ale.getMinimalActionSet()
        self._actions = actions[: preprocess.first_actions or None]
        self._fires = Action.FIRE in actions
        self.single_action_space = spaces.Discrete(len(self._actions))

    def reset(self, *, seed: Any, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Start the game of this seed: FIRE where the game has it, then its no-ops."""
        self._begin(int(np.ravel(seed)[0]))
        self._ale.reset_game()
        if self._fires:
            self._ale.act(Action.FIRE)
        for _ in range(self._noops - self._fires):
            self._ale.act(Action.NOOP)
            if self._ale.game_over():
                self._ale.reset_game()
        self._played = 0
        self._stack = np.zeros(self.preprocess.shape, np.uint8)
        frame = self._frame([self._screen()])
        if self.preprocess.fill == "repeat":
            self._stack = np.tile(frame, (self.preprocess.frames, 1, 1))
        self._push(frame)
        return self._stack[None].copy(), {}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one action: observation [1, K, H, W], reward, terminated, truncated [1], info."""
        action, skip = self._actions[int(actions[0])], self.preprocess.frameskip
        reward, screens = 0, []
        for left in range(skip, 0, -1):
            reward += self._ale.act(action)
            self._played += 1
            if self._over() or self._late():
                break
            if left <= 1 + self.preprocess.max_pool:
                screens.append(self._screen())
        self._push(self._frame(screens or [self._screen()]))
        over = self._over()
        flags = np.array([over]), np.array([self._late() and not over])
        return self._stack[None].copy(), np.array([float(reward)]), *flags, {}

    def moment(self) -> Moment:
        """Where the game stands."""
        state = self._ale.cloneState(include_rng=True)
        return Moment(state, self._stack, self._played)

    def restore(self, moment: Moment) -> None:
        """Go back to where the game stood."""
        self._ale.restoreState(moment.state)
        self._stack, self._played = moment.stack, moment.played

    def close(self) -> None:
        """Nothing runs on: the emulator goes with its last reference."""

    def _begin(self, seed: int) -> None:
        """A fresh emulator of this seed, and the number of no-ops as ale-py draws it."""
        sticky = max(self.protocol.sticky_actions, self.preprocess.sticky_actions)
        self._ale = emulator(self._rom, random_seed=seed, repeat_action_probability=sticky)
        self._noops = _drawn_below(max(self.protocol.noop_max, 1), seed)

    def _over(self) -> bool:
        return bool(self._ale.game_over(with_truncation=False))

    def _late(self) -> bool:
        return self._played >= self.protocol.max_frames

    def _screen(self) -> np.ndarray:
        screen: np.ndarray = (
            self._ale.getScreenRGB() if self._colour else self._ale.getScreenGrayscale()
        )
        return screen

    def _frame(self, screens: list[np.ndarray]) -> np.ndarray:
        """The frame [planes, H, W] of the last screens, maximised."""
        frame: np.ndarray = self._lens(np.max(screens, 0)[None])[0]
        return frame if frame.ndim == 3 else frame[None]

    def _push(self, frame: np.ndarray) -> None:
        self._stack = np.concatenate([self._stack[len(frame) :], frame])


def _drawn_below(bound: int, seed: int) -> int:
    """The first draw of C++'s uniform_int_distribution over a Mersenne Twister of this seed
    (Lemire 2019, arXiv 1805.10941, as libstdc++ has it)."""
    rng = np.random.RandomState(seed)
    while True:
        product = int(rng.randint(2**32, dtype=np.uint64)) * bound
        if product % 2**32 >= (2**32 - bound) % bound:
            return product >> 32
