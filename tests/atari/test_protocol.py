"""Units and rules."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sap_rl import Preprocess, Protocol, UsageError
from sap_rl.pixels import lam_to_eps, to_pixels, to_unit


def test_units() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    unit = to_unit(pixels)
    assert unit.dtype == torch.float32
    assert (float(unit[0]), float(unit[255])) == (0.0, 1.0)
    assert torch.equal(to_unit(pixels.float()), unit)
    assert torch.equal(to_pixels(unit).round().to(torch.uint8), pixels)
    assert lam_to_eps(255) == 1
    assert lam_to_eps(4) == 4 / 255


def test_a_dark_frame_is_not_taken_for_unit_floats() -> None:
    assert to_unit(torch.ones(1)).tolist() == pytest.approx([1 / 255])


def test_the_protocols_defaults() -> None:
    protocol = Protocol()
    assert (protocol.sticky_actions, protocol.noop_max, protocol.epsilon) == (0.0, 30, 0.01)
    assert (protocol.max_frames, protocol.observation, protocol.frames) == (18_000, "float", "all")
    assert (protocol.grad_samples, protocol.policy_samples) == (None, 1)
    assert Preprocess().shape == (4, 84, 84)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sticky_actions": 1.5}, "sticky_actions must lie in 0..1, got 1.5"),
        ({"epsilon": -0.1}, "epsilon must lie in 0..1, got -0.1"),
        ({"epsilon": float("nan")}, "epsilon must lie in 0..1, got nan"),
        ({"noop_max": -1}, "noop_max must be at least 0, got -1"),
        ({"max_frames": 0}, "max_frames must be at least 1, got 0"),
        ({"grad_samples": 0}, "grad_samples must be at least 1, got 0"),
        ({"policy_samples": 0}, "policy_samples must be at least 1, got 0"),
    ],
)
def test_rules_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Protocol(**options)
    assert str(refusal.value) == message


@pytest.mark.parametrize("name", ["frames", "height", "width", "frameskip"])
def test_sizes_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} must be at least 1, got 0"):
        Preprocess(**{name: 0})
