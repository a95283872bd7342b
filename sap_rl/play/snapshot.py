"""An arm in the middle of its games as bytes, from which it goes on exactly as it would have."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
from torch import nn

from sap_rl.agents import Agent
from sap_rl.errors import UsageError
from sap_rl.play.arms import AttackedPlayer, RandomPlayer
from sap_rl.play.rollout import Position
from sap_rl.seeds import Stream

Watched = list[np.ndarray]
"""Action values [n, A] on clean frames, as they were collected."""

Arrays = dict[str, np.ndarray]


def freeze(player: AttackedPlayer | RandomPlayer, position: Position, watched: Watched) -> bytes:
    """Everything about an arm in progress but its counts: numpy's npz, nothing in it is code."""
    values = np.concatenate(watched) if watched else np.zeros((0, 0), np.float32)
    arrays: Arrays = {
        "given": np.array(position.given),
        "index": np.array(position.index, dtype=np.int64),
        "lengths": np.array([len(played) for played in position.actions], dtype=np.int64),
        "actions": np.frombuffer(b"".join(position.actions), dtype=np.uint8),
        "watched": values,
    }
    if isinstance(player, AttackedPlayer):
        arrays["steps"] = np.array(player.steps)
        for name, stream in _streams(player):
            arrays |= {f"stream/{name}/{key}": value for key, value in stream.state().items()}
        if player.adversary is not None:
            arrays |= {f"adversary/{k}": v for k, v in player.adversary.state().items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def thaw(data: bytes, player: AttackedPlayer | RandomPlayer) -> tuple[Position, Watched]:
    """Bring a fresh player of the same arm to where it stood; where the games stood, what was seen.

    UsageError for bytes that are no snapshot of such a player.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        ends = np.cumsum(arrays["lengths"]).tolist()
        starts = [0, *ends[:-1]]
        actions = [bytearray(arrays["actions"][a:b]) for a, b in zip(starts, ends, strict=True)]
        position = Position(int(arrays["given"]), arrays["index"].tolist(), actions)
        if isinstance(player, AttackedPlayer):
            _restore(player, arrays)
    except (KeyError, ValueError, IndexError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"the state of an interrupted arm cannot be read: {error}") from error
    return position, [arrays["watched"]] if arrays["watched"].size else []


def can_freeze(player: AttackedPlayer | RandomPlayer) -> bool:
    """Whether all that is random about a player has a stream that can be kept.

    A network that draws random numbers in a way of its own can only be played from the start.
    """
    if isinstance(player, RandomPlayer) or player.flip_probe is None:
        return True
    return any(name.startswith("player") for name, _ in _streams(player))


def _restore(player: AttackedPlayer, arrays: Mapping[str, np.ndarray]) -> None:
    player.steps = int(arrays["steps"])
    for name, stream in _streams(player):
        stream.restore(_under(arrays, f"stream/{name}/"))
    if player.adversary is not None:
        player.adversary.restore(_under(arrays, "adversary/"), player.agent.device)


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _streams(player: AttackedPlayer) -> Iterator[tuple[str, Stream]]:
    """Every stream that the player, its meter and the attacker's victim draw from, by name."""
    modules: dict[str, object] = {"player": player.agent, "meter": player.flip_probe}
    modules["victim"] = player.adversary.victim if player.adversary is not None else None
    for role, owner in modules.items():
        module = owner.module if isinstance(owner, Agent) else owner
        if not isinstance(module, nn.Module):
            continue
        for name, part in module.named_modules():
            stream = getattr(part, "stream", None)
            if isinstance(stream, Stream):
                yield f"{role}/{name}", stream
