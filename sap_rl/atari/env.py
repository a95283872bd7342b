"""Atari environments with true rewards and the protocol's defaults."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium
import torch
from ale_py import ALEInterface, LoggerMode, roms
from ale_py.vector_env import AtariVectorEnv

from sap_rl.atari.games import canonical_game, rom_ids
from sap_rl.atari.protocol import Preprocess, Protocol
from sap_rl.atari.restacked import Camera, RestackedAtari
from sap_rl.atari.screen import Lens
from sap_rl.errors import UsageError, require_positive

VectorEnv = gymnasium.vector.VectorEnv[Any, Any, Any]


def make_atari(
    game: str,
    num_envs: int = 1,
    *,
    protocol: Protocol | None = None,
    preprocess: Preprocess | None = None,
    num_threads: int | None = None,
    camera: Camera | None = None,
) -> VectorEnv:
    """A vector of emulators giving uint8 observations [num_envs, K, H, W], oldest frame first.

    Rewards are the game's own, lives do not end episodes, autoreset is NEXT_STEP. Frames equal
    gymnasium's AtariPreprocessing followed by FrameStackObservation(padding_type="zero"), except
    that a reset presses FIRE for one emulator frame where the game has it, before any no-ops.

    game: BankHeist, bank_heist and ALE/BankHeist-v5 all work; UsageError names the nearest.
    preprocess: what is seen; whatever ale-py does not do itself is done here, at equal contract.
    Actions stick with the larger of its probability and the protocol's.
    num_threads: emulator threads, torch's own thread count by default (ale-py's default takes
    every hardware thread whatever the CPU quota).
    camera: one of its own that spoils what is seen, such as `Camera("rotate", 1.0)`.
    """
    protocol = protocol or Protocol()
    preprocess = preprocess or Preprocess()
    require_positive("num_envs", num_envs)
    require_positive("num_threads", num_threads or 1)
    rom = rom_ids()[canonical_game(game)]
    options: dict[str, Any] = {
        "num_threads": min(num_envs, num_threads or torch.get_num_threads()),
        "max_num_frames_per_episode": protocol.max_frames,
        "repeat_action_probability": max(protocol.sticky_actions, preprocess.sticky_actions),
        "full_action_space": preprocess.full_action_space,
        "frameskip": preprocess.frameskip,
        "maxpool": preprocess.max_pool,
        "noop_max": protocol.noop_max,
        "reward_clipping": False,
    }
    if preprocess.emulated and camera is None:
        return AtariVectorEnv(
            rom,
            num_envs,
            img_height=preprocess.height,
            img_width=preprocess.width,
            stack_num=preprocess.frames,
            **options,
        )
    return _restacked(rom, num_envs, preprocess, options, camera)


@cache
def num_actions(game: str, preprocess: Preprocess | None = None) -> int:
    """How many actions `make_atari` offers in a game: by default those that matter there."""
    envs = make_atari(game, num_threads=1, preprocess=preprocess)
    found = int(envs.single_action_space.n)  # type: ignore[attr-defined]
    envs.close()
    return found


def _restacked(
    rom: str,
    num_envs: int,
    preprocess: Preprocess,
    options: dict[str, Any],
    camera: Camera | None,
) -> RestackedAtari:
    """The emulator's own frames one by one, or its whole screen where a Lens or a camera must look
    at it."""
    plain = Preprocess()
    names = ("crop", "grey", "luma", "interpolation")
    lens = None
    height, width = preprocess.height, preprocess.width
    on_screen = camera is not None and camera.wants_screen
    if on_screen or any(getattr(preprocess, name) != getattr(plain, name) for name in names):
        height, width = screen_size(rom)
        lens = Lens(preprocess, (height, width))
    if camera is not None:
        shown = (height, width) if on_screen else (preprocess.height, preprocess.width)
        camera.require_fit(shown)
    envs = AtariVectorEnv(
        rom,
        num_envs,
        img_height=height,
        img_width=width,
        grayscale=lens is None or preprocess.grey == "first",
        stack_num=1,
        **options,
    )
    available = int(envs.single_action_space.n)  # type: ignore[attr-defined]
    if preprocess.first_actions > available:
        envs.close()
        raise UsageError(
            f"first_actions={preprocess.first_actions}, but the game has {available} actions"
        )
    return RestackedAtari(envs, preprocess, lens, camera)


def action_names(game: str, preprocess: Preprocess | None = None) -> tuple[str, ...]:
    """What the actions 0, 1, ... of `make_atari` do, as the emulator calls them: NOOP, UPFIRE."""
    preprocess = preprocess or Preprocess()
    ale = emulator(rom_ids()[canonical_game(game)])
    found = ale.getLegalActionSet() if preprocess.full_action_space else ale.getMinimalActionSet()
    return tuple(action.name for action in found[: preprocess.first_actions or None])


@cache
def screen_size(rom: str) -> tuple[int, int]:
    """Height and width of a game's screen before any resizing, 210x160 for most."""
    height, width = emulator(rom).getScreenDims()
    return int(height), int(width)


def emulator(
    rom: str, *, random_seed: int = 0, repeat_action_probability: float = 0.0
) -> ALEInterface:  # fmt: skip
    """One emulator with a game in it."""
    ALEInterface.setLoggerMode(LoggerMode.Error)  # it greets on stderr otherwise
    ale = ALEInterface()
    ale.setInt("random_seed", random_seed)
    ale.setFloat("repeat_action_probability", repeat_action_probability)
    path = roms.get_rom_path(rom)
    assert path is not None, rom
    ale.loadROM(path)
    return ale
