"""Bring your own: any module, with any preprocessing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sap_rl import Adversary, Preprocess, Threat, UsageError, load_agent
from sap_rl.attacks import make_attack
from sap_rl.networks.dueling import dueling_network


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(2).integers(256, size=(3, 4, 84, 84), dtype=np.uint8)


def with_batch_norm() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = nn.Sequential(
            nn.Conv2d(4, 8, 8, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 20 * 20, 6),
        )  # fmt: skip
        network(torch.rand(16, 4, 84, 84))  # statistics of its own
    return network


def test_batch_norm_is_in_evaluation_mode(pixels: np.ndarray) -> None:
    agent = load_agent(with_batch_norm())
    assert agent.num_actions == 6
    alone = [agent.q_values(pixels[i : i + 1]) for i in range(3)]
    # 1e-5: float32 sums in batches of another size.
    torch.testing.assert_close(agent.q_values(pixels), torch.cat(alone), rtol=0, atol=1e-5)
    before = agent.module[1].running_mean.clone()  # type: ignore[index]
    agent.defend("sap-100", seed=0).q_values(pixels)
    assert torch.equal(agent.module[1].running_mean, before)  # type: ignore[index]


def test_dueling_and_logits(pixels: np.ndarray) -> None:
    agent = load_agent(dueling_network(5), game="pong")
    assert (agent.num_actions, agent.game) == (5, "Pong")

    class Policy(nn.Module):
        """Log-probabilities of actions."""

        def __init__(self) -> None:
            super().__init__()
            self.body = with_batch_norm()

        def forward(self, obs: Tensor) -> Tensor:
            return self.body(obs).log_softmax(1)

    policy = load_agent(Policy())
    logits = policy.q_values(pixels)
    assert policy.act(pixels).tolist() == logits.argmax(1).tolist()
    adversary = Adversary(policy.q_function, make_attack("fgsm"), Threat(2), 0)
    attacked = adversary.perturb(torch.from_numpy(pixels), torch.ones(3, dtype=torch.bool))
    assert attacked.linf.tolist() == pytest.approx([2, 2, 2])


def test_its_own_preprocessing_takes_pixels(pixels: np.ndarray) -> None:
    network = with_batch_norm().eval()
    agent = load_agent(network, preprocess=lambda frames: (frames - 33.3) / 78.6)
    expected = network((torch.from_numpy(pixels).float() - 33.3) / 78.6).detach()
    # 1e-5: x / 255 * 255 differs from x by a rounding.
    torch.testing.assert_close(agent.q_values(pixels), expected, rtol=0, atol=1e-5)
    obs = (torch.from_numpy(pixels).float() / 255).requires_grad_()
    (gradient,) = torch.autograd.grad(agent.module(obs)[:, 0].sum(), obs)
    theirs = ((torch.from_numpy(pixels).float() - 33.3) / 78.6).requires_grad_()
    (expected,) = torch.autograd.grad(network(theirs)[:, 0].sum(), theirs)
    # 1e-5 of a gradient: the same sums, times the chain rule's 255 / 78.6.
    torch.testing.assert_close(gradient, expected * 255 / 78.6, rtol=1e-4, atol=1e-5)


class Weighted(nn.Module):
    """Two actions, linear in what the network is given."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, obs: Tensor) -> Tensor:
        value = (obs * self.weight).flatten(1).sum(1)
        return torch.stack([value, -value], 1)


@pytest.mark.parametrize(
    "entries",
    [
        {"order": "newest_first"},
        {"layout": "columns_first"},
        {"scale": "pixels"},
        {"order": "newest_first", "layout": "columns_first", "scale": "pixels"},
    ],
)
def test_what_the_network_is_given(entries: dict[str, Any]) -> None:
    sees = {"frames": 3, "height": 4, "width": 6, **entries}
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(2, 3, 4, 6), dtype=np.uint8)
    theirs = torch.from_numpy(pixels).float()
    if "order" in entries:
        theirs = theirs[:, [2, 1, 0]]
    if "layout" in entries:
        theirs = torch.stack([torch.stack([f.T for f in stack]) for stack in theirs])
    if "scale" not in entries:
        theirs = theirs / 255
    weight = torch.from_numpy(rng.standard_normal(theirs.shape[1:]).astype(np.float32))
    agent = load_agent(Weighted(weight), preprocess=sees)
    expected = (theirs * weight).flatten(1).sum(1)
    # 1e-3 of sums of up to 72 * 255: x / 255 * 255.
    torch.testing.assert_close(agent.q_values(pixels)[:, 0], expected, rtol=1e-4, atol=1e-3)
    # The best attack on a linear network follows the sign of its weights, in our own layout.
    adversary = Adversary(agent.q_function, make_attack("fgsm", objective="margin"), Threat(4), 0)
    grey = np.full((1, 3, 4, 6), 128, np.uint8)
    found = adversary.perturb(torch.from_numpy(grey), torch.ones(1, dtype=torch.bool))
    moved = found.pixels - 128
    assert moved.abs().max() == 4
    lost = agent.q_values(found.pixels)[0, 0] - agent.q_values(grey)[0, 0]
    most = 4 * weight.abs().sum() * (1 if "scale" in entries else 1 / 255)
    # 1e-3: rounding as above.
    torch.testing.assert_close(lost.abs(), most, rtol=1e-3, atol=1e-3)


def test_seen_size_is_the_networks() -> None:
    assert Preprocess(height=40, width=50, layout="columns_first").seen_size == (50, 40)
    assert Preprocess(height=40, width=50).seen_size == (40, 50)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Flatten(0), "Flatten must give action values [B, num_actions], got [56448]"),
        (nn.LSTM(84, 3), "LSTM cannot take [2, 4, 84, 84] frames: "),
        (nn.MaxPool2d(2, return_indices=True), "got a tuple"),
        (nn.Linear(5, 2), "Linear cannot take [2, 4, 84, 84] frames: RuntimeError mat1 and mat2"),
    ],
)
def test_modules_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_agent(module)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
