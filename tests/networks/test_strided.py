"""The cheap gradient is the gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sap_rl import Agent, UsageError, sap
from sap_rl.networks.strided import StridedConv2d, blockwise_input_gradient

CASES: dict[str, dict[str, Any]] = {
    "Nature's first": {"kernel_size": 8, "stride": 4},
    "one block": {"kernel_size": 3, "stride": 3},
    "three blocks": {"kernel_size": 6, "stride": 2},
    "not a multiple": {"kernel_size": 5, "stride": 2},
    "padded": {"kernel_size": 4, "stride": 2, "padding": 1},
    "dilated": {"kernel_size": 4, "stride": 2, "dilation": 2},
    "oblong": {"kernel_size": (4, 2), "stride": 2},
    "stride 1": {"kernel_size": 3},
}


def pair(**options: Any) -> tuple[StridedConv2d, nn.Conv2d]:
    torch.manual_seed(0)
    ours = StridedConv2d(3, 5, dtype=torch.float64, **options)
    twin = nn.Conv2d(3, 5, dtype=torch.float64, **options)
    twin.load_state_dict(ours.state_dict())
    return ours, twin


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [(20, 24), (21, 27), (23, 22)])
def test_gradients_are_torchs(case: str, size: tuple[int, int]) -> None:
    ours, twin = pair(**CASES[case])
    obs = torch.randn(2, 3, *size, dtype=torch.float64)
    found, wanted = [], []
    for layer, kept in ((ours, found), (twin, wanted)):
        x = obs.clone().requires_grad_(True)
        out = layer(x)
        weighting = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)
        parameters = list(layer.parameters())
        kept += [out, *torch.autograd.grad((out * weighting).sum(), [x, *parameters])]
    assert torch.equal(found[0], wanted[0]), "the forward pass is the same bits"
    for one, other in zip(found[1:], wanted[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_products_in_half_precision_change_the_inputs_gradient_alone() -> None:
    torch.manual_seed(0)
    ours = StridedConv2d(3, 5, kernel_size=8, stride=4)
    obs, found = torch.randn(2, 3, 20, 24), []
    for dtype in (None, torch.bfloat16):
        ours.gradient_dtype = dtype
        x = obs.clone().requires_grad_(True)
        out = ours(x)
        found.append([out, *torch.autograd.grad(out.square().sum(), [x, *ours.parameters()])])
    (out, full, *weights), (same, half, *equal) = found
    for one, other in zip([out, *weights], [same, *equal], strict=True):
        assert torch.equal(one, other)
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    torch.testing.assert_close(half, full, rtol=0.02, atol=0.02 * float(full.abs().max()))


def test_second_derivatives() -> None:
    layer, _ = pair(kernel_size=4, stride=2)
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square(), (x,))


def test_it_is_used_where_it_pays_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Tensor] = []

    def spy(grad: Tensor, *rest: Any) -> Tensor:
        calls.append(grad)
        return blockwise_input_gradient(grad, *rest)

    monkeypatch.setattr("sap_rl.networks.strided.blockwise_input_gradient", spy)
    for case, options in CASES.items():
        calls.clear()
        layer, _ = pair(**options)
        x = torch.randn(1, 3, 24, 24, dtype=torch.float64, requires_grad=True)
        layer(x).sum().backward()
        assert bool(calls) == (case in ("Nature's first", "one block", "three blocks")), case
    calls.clear()
    layer, _ = pair(kernel_size=8, stride=4)
    layer(torch.randn(1, 3, 24, 24, dtype=torch.float64)).sum().backward()
    assert not calls
    assert layer.weight.grad is not None


def test_what_follows_may_work_in_place() -> None:
    layer, twin = pair(kernel_size=4, stride=2)
    slopes = []
    for conv in (layer, twin):
        x = torch.linspace(-1, 1, 3 * 64, dtype=torch.float64).view(1, 3, 8, 8).requires_grad_(True)
        slopes.append(torch.autograd.grad(nn.ReLU(inplace=True)(conv(x)).sum(), x)[0])
    torch.testing.assert_close(*slopes)


def test_transforms_and_autocast_take_torchs_way() -> None:
    layer, twin = pair(kernel_size=4, stride=2)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    slopes = [torch.func.grad(lambda x, c=conv: c(x).square().sum())(x) for conv in (layer, twin)]
    torch.testing.assert_close(*slopes)
    x = x.float().requires_grad_(True)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer.float()(x)
    assert torch.autograd.grad(out.float().sum(), x)[0].isfinite().all()


class Forgetful(nn.Module):
    """Drops what the activation returns: only its work in place counts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = StridedConv2d(4, 8, 8, stride=4)
        self.relu = nn.ReLU(inplace=True)
        self.q = nn.Linear(8 * 400, 3)

    def forward(self, obs: Tensor) -> Tensor:
        features = self.conv(obs)
        self.relu(features)
        found: Tensor = self.q(features.flatten(1))
        return found


def test_sap_sees_through_it() -> None:
    """Tracing works, so that what it would refuse is refused."""
    with pytest.raises(UsageError, match="works in place"):
        sap(Forgetful())


def test_no_gradient_of_weights_is_computed_for_an_attack(agent: Agent, frames: Tensor) -> None:
    x = (frames[:2] / 255).requires_grad_(True)
    torch.autograd.grad(agent.module(x).sum(), x)
    assert all(parameter.grad is None for parameter in agent.module.parameters())


def test_the_agents_gradient_is_torchs_to_rounding(agent: Agent, frames: Tensor) -> None:
    found = []
    for kind in (StridedConv2d, nn.Conv2d):
        agent.module.conv1.__class__ = kind  # type: ignore[union-attr, assignment]
        x = (frames / 255).requires_grad_(True)
        found.append(torch.autograd.grad(agent.module(x).max(1).values.sum(), x)[0])
    error = (found[0] - found[1]).abs().max() / found[1].abs().max()
    assert error < 1e-5  # float32 sums of 128 terms in another order
    signs = (found[0].sign() != found[1].sign()).float().mean()
    assert signs < 1e-3
