"""Half precision: near the original, labelled as what it is, and nobody else's weights change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sap_rl import Agent, UsageError, evaluate, load_agent
from sap_rl.atari.protocol import Protocol


def test_values_are_near_and_parameters_untouched(agent: Agent, frames: Tensor) -> None:
    half = agent.in_precision("bfloat16")
    values, wanted = half.q_values(frames), agent.q_values(frames)
    assert values.dtype == torch.float32
    assert not values.equal(wanted)
    # 8 bits of mantissa through five layers; values lie between 0.5 and 1.5.
    torch.testing.assert_close(values, wanted, rtol=0, atol=0.05)
    assert all(p.dtype == torch.float32 for p in agent.module.parameters())
    assert agent.in_precision("float32") is agent


def test_gradients_point_the_same_way(agent: Agent, frames: Tensor) -> None:
    slopes = []
    for player in (agent, agent.in_precision("bfloat16")):
        x = (frames / 255).requires_grad_(True)
        slopes.append(torch.autograd.grad(player.module(x).amax(1).sum(), x)[0].flatten(1))
    assert slopes[1].dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(*slopes).min() > 0.8


def test_a_defence_stands_on_it(agent: Agent, frames: Tensor) -> None:
    defended = agent.in_precision("bfloat16").defend("sap-100", seed=0)
    assert defended.q_values(frames).isfinite().all()
    assert [site.size for site in defended.module.sites] == [12_800, 5_184, 3_136, 512]  # type: ignore[union-attr]
    assert defended.module.sampler_version == "exact/2"


def test_frames_are_not_rounded(agent: Agent, frames: Tensor) -> None:
    """In half precision a quarter of a pixel of 200 would be lost before the first layer."""
    half: Any = agent.in_precision("bfloat16").module
    assert half.conv1.weight.dtype == torch.float32
    assert half.conv1.gradient_dtype == torch.bfloat16
    assert {p.dtype for p in half.conv2.parameters()} == {torch.bfloat16}
    bright = torch.full((1, 4, 84, 84), 200.0)
    assert not half.conv1(bright / 255).equal(half.conv1((bright + 0.25) / 255))


def test_an_activation_that_makes_the_output_is_refused_as_ever() -> None:
    rectified = nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU())
    sees = {"frames": 2, "height": 2, "width": 2}
    half = load_agent(rectified, preprocess=sees).in_precision("bfloat16")
    with pytest.raises(UsageError, match="makes the network's output"):
        half.defend("sap-100")
    half.defend("sap-100", skip=("4",))


def test_the_row_says_so() -> None:
    found = evaluate(
        "BankHeist", "BankHeist", lam=1, episodes=2, controls=False, precision="bfloat16",
        protocol=Protocol(max_frames=80),
    )  # fmt: skip
    assert {row.precision for row in found.rows} == {"bfloat16+float32"}
    assert found.settings.precision == "bfloat16"
    with pytest.raises(UsageError, match="unknown precision 'int4'; choose from"):
        evaluate("BankHeist", "BankHeist", lam=1, precision="int4")
