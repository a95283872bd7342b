"""Atari environments with true rewards and the protocol's defaults."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch
from ale_py.vector_env import AtariVectorEnv

from sap_rl.atari.games import canonical_game, rom_ids
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.errors import require_positive


def make_atari(
    game: str,
    num_envs: int = 1,
    *,
    protocol: Protocol | None = None,
    preprocess: Preprocess | None = None,
    num_threads: int | None = None,
) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """A vector of emulators giving uint8 observations [num_envs, K, H, W], oldest frame first.

    Rewards are the game's own, lives do not end episodes, autoreset is NEXT_STEP. Frames equal
    gymnasium's AtariPreprocessing followed by FrameStackObservation(padding_type="zero"), except
    that a reset presses FIRE for one emulator frame where the game has it, before any no-ops.

    game: BankHeist, bank_heist and ALE/BankHeist-v5 all work; UsageError names the nearest.
    num_threads: emulator threads, torch's own thread count by default (ale-py's default takes
    every hardware thread whatever the CPU quota).
    """
    protocol = protocol or Protocol()
    preprocess = preprocess or Preprocess()
    require_positive("num_envs", num_envs)
    require_positive("num_threads", num_threads or 1)
    return AtariVectorEnv(
        rom_ids()[canonical_game(game)],
        num_envs,
        num_threads=min(num_envs, num_threads or torch.get_num_threads()),
        max_num_frames_per_episode=protocol.max_frames,
        repeat_action_probability=protocol.sticky_actions,
        full_action_space=preprocess.full_action_space,
        img_height=preprocess.height,
        img_width=preprocess.width,
        stack_num=preprocess.frames,
        frameskip=preprocess.frameskip,
        noop_max=protocol.noop_max,
        reward_clipping=False,
    )
