"""Updates: target periods, slices, precision, divergence, and known optimal values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl.networks.nature import nature_network
from sap_rl.pixels import to_unit
from sap_rl.training.dqn.collect import Collector, Explorer
from sap_rl.training.dqn.learner import Learner
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.dqn.targets import double_q_target, huber_loss
from sap_rl.training.precision import network_input
from sap_rl.training.replay import Batch, Replay
from sap_rl.training.trainee import Diverged
from tests.training.dqn.corridor import Corridor, optimal_values, small_network

SETTINGS = TrainSettings(precision="float32")


def batch_of(count: int = 32, *, seed: int = 0, scale: float = 1.0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (2, count, 4, 84, 84), dtype=torch.uint8, generator=generator)
    return Batch(
        pixels[0],
        torch.randint(0, 3, (count,), generator=generator),
        scale * torch.randn(count, generator=generator),
        torch.full((count,), 0.97),
        pixels[1],
    )


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nature_network(3)


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().float().reshape(-1) for p in module.parameters()])


def test_target_network_is_copied_every_target_period() -> None:
    learner = Learner(small_network(3, 0), replace(SETTINGS, target_period=3))
    copied = []
    for seed in range(7):
        learner.update(batch_of(seed=seed))
        copied.append(weights(learner.target).equal(weights(learner.network)))
    assert copied == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("limit", [0.0, 1e-3, 10.0])
def test_an_update_is_adam_on_the_clipped_gradient_of_the_double_q_loss(limit: float) -> None:
    settings = replace(SETTINGS, max_grad_norm=limit)
    learner, twin, target = Learner(network(), settings, threads=2), network(), network(1)
    learner.load_parts({"weights": dict(twin.named_parameters()),
                        "target": dict(target.named_parameters())})  # fmt: skip
    optimizer = torch.optim.Adam(twin.parameters(), lr=1e-4, eps=1.5e-4)
    for seed in range(2):
        batch = batch_of(seed=seed, scale=5.0)
        learner.update(batch)
        obs_tm1, obs_t = batch.obs_tm1.float() / 255, batch.obs_t.float() / 255
        with torch.no_grad():
            aim = double_q_target(batch.reward_t, batch.discount_t, target(obs_t), twin(obs_t))
        optimizer.zero_grad()
        huber_loss(twin(obs_tm1), batch.action_tm1, aim).backward()
        if limit:
            nn.utils.clip_grad_norm_(twin.parameters(), limit)
        optimizer.step()
    moved = (weights(twin) - weights(network())).norm()
    # Sums in another memory order; Adam divides by small second moments.
    assert (weights(learner.network) - weights(twin)).norm() < 0.01 * moved


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("threads", [3, 16])
def test_slices_in_threads_add_up_to_the_whole_batch(threads: int, optimizer: str) -> None:
    settings = replace(SETTINGS, optimizer=optimizer)
    one, two = (Learner(network(), settings, threads=count) for count in (1, threads))
    for learner in (one, two):
        learner.update(batch_of())
        learner.batch_threads.close()
    for mine, theirs in zip(one.optimizer.gradients(), two.optimizer.gradients(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
    assert one.metrics() == pytest.approx(two.metrics(), rel=1e-4)


def test_bfloat16_gradients_point_the_same_way() -> None:
    full = Learner(network(), SETTINGS)
    half = Learner(network(), replace(SETTINGS, precision="bfloat16"))
    assert half.online.module is not half.network
    for learner in (full, half):
        learner.update(batch_of())
    flat = [torch.cat([g.reshape(-1) for g in l.optimizer.gradients()]) for l in (full, half)]  # noqa: E741
    assert torch.nn.functional.cosine_similarity(*flat, dim=0) > 0.98
    # after the step the working copy is the rounded master
    for master, copy in zip(half.network.parameters(), half.online.parameters, strict=True):
        assert copy.equal(master.to(torch.bfloat16))


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("threads", [1, 2])
def test_parts_restore_a_learner_bit_for_bit(optimizer: str, precision: str, threads: int) -> None:
    settings = replace(SETTINGS, optimizer=optimizer, precision=precision, target_period=2)
    one = Learner(network(), settings, threads=threads)
    for seed in range(3):
        one.update(batch_of(seed=seed))
    kept = {p: {k: v.clone() for k, v in part.items()} for p, part in one.parts().items()}
    two = Learner(network(5), settings, threads=threads)
    two.load_parts(kept)
    two.updates = one.updates
    for learner in (one, two):
        for seed in range(3, 5):
            learner.update(batch_of(seed=seed))
    assert weights(one.network).equal(weights(two.network))
    assert weights(one.target).equal(weights(two.target))


def test_learning_rate_rises_after_a_restart_only() -> None:
    learner = Learner(small_network(3, 0), replace(SETTINGS, restart_lr_updates=4))
    assert learner.learning_rate == 1e-4
    learner.updates = learner.lr_origin = 100
    rates = []
    for _ in range(6):
        rates.append(learner.learning_rate)
        learner.update(batch_of())
    assert rates == pytest.approx([0.25e-4, 0.5e-4, 0.75e-4, 1e-4, 1e-4, 1e-4])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_stops_training_at_once(bad: float) -> None:
    learner = Learner(small_network(3, 0), SETTINGS)
    learner.update(batch_of())
    batch = batch_of()
    batch.reward_t[7] = bad
    with pytest.raises(Diverged, match="by update 2"):
        learner.update(batch)
    other = Learner(small_network(3, 0), SETTINGS)
    next(other.network.parameters()).data[0, 0] = bad
    with pytest.raises(Diverged, match=r"weight '2\.weight'"):
        other.check()


@pytest.mark.parametrize(
    ("rule", "head"), [("double", "nature"), ("dqn", "nature"), ("double", "quantile")]
)
def test_learns_the_corridors_optimal_values(rule: str, head: Any) -> None:
    settings = TrainSettings(
        network=head,
        target=rule,
        n_step=1,
        gamma=0.8,
        learning_rate=2e-3,
        target_period=50,
        precision="float32",
    )  # fmt: skip
    replay = Replay(4000, 8, n_step=1, gamma=0.8)
    collector = Collector(Corridor(8), replay, life_loss=True)
    explorer = Explorer(2, np.random.default_rng(0))
    collector.reset(0, 0)
    shown = []
    for _ in range(400):
        shown.append(collector.obs.copy())
        collector.send(explorer.replace(np.zeros(8, np.int64), 1.0))
        collector.receive()
    network = small_network(2 * (8 if head == "quantile" else 1), 0)
    if head == "quantile":
        network = nn.Sequential(network, nn.Unflatten(1, (2, 8)))
    learner = Learner(network, settings)
    rng = np.random.default_rng(1)
    for _ in range(800):
        learner.update(replay.sample(32, rng))
    obs = np.concatenate(shown[::40])
    cells = obs[:, -1, :, 0].argmax(1) // 28
    found = learner.values(torch.from_numpy(obs)).numpy()
    error = np.abs(found - optimal_values(0.8)[cells])
    # Constant step size: values still move. A wrong rule is off by 0.13 and more on average.
    assert error.mean() < 0.03
    assert error.max() < 0.2
    assert (found.argmax(1) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_network_input_is_the_unit_frames(dtype: torch.dtype) -> None:
    pixels = batch_of(5).obs_t
    found = network_input(pixels, dtype)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        found.float(), to_unit(pixels), rtol=0 if dtype == torch.float32 else 2**-7, atol=0
    )


def test_adversarial_training_learns_from_fgsm_on_its_share_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The frames of the learning pass, and the gradient, are those of FGSM made by hand."""
    settings = replace(SETTINGS, adversarial_lambda=2.0, adversarial_share=0.25, max_grad_norm=0.0)
    learner, twin = Learner(network(), settings, threads=1), network()
    batch = batch_of(8)
    seen: list[torch.Tensor] = []
    learner.online.module.register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach()))
    learner.update(batch)
    obs = to_unit(batch.obs_tm1)
    shown = seen[-1]
    assert shown[2:].equal(obs[2:]), "three quarters stay clean"
    x = obs[:2].clone().requires_grad_(True)
    values = twin(x)
    loss = torch.nn.functional.cross_entropy(values, values.argmax(1), reduction="sum")
    (slope,) = torch.autograd.grad(loss, x)
    wanted = (obs[:2] + 2 / 255 * slope.sign()).clamp(0, 1)
    torch.testing.assert_close(shown[:2], wanted, atol=1e-6, rtol=0)
    assert any(frames.equal(to_unit(batch.obs_t)) for frames in seen), "targets stay clean"


class Linear(nn.Module):
    """Values that two pixels raise: action 0 by the first, action 1 by the second."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return obs[:, 0, 0, :2] * self.weight


def test_sa_dqns_hinge_is_that_of_a_small_network_by_hand() -> None:
    """Two frames at lambda 25.5, a tenth: of the first the lead 0.6 - 0.2 falls by 0.1 + 0.2, of
    the second the lead 1.6 - 0.1 stays above the hinge at 1, where nothing pulls."""
    rules = {"adversarial_lambda": 25.5, "adversarial_share": 0.0, "robust_weight": 0.5}
    learner = Learner(Linear(), replace(SETTINGS, **rules), threads=1)
    obs = torch.zeros(2, 4, 84, 84)
    obs[0, 0, 0, :2] = torch.tensor([0.6, 0.1])
    obs[1, 0, 0, :2] = torch.tensor([0.1, 0.8])
    hinge = learner._hinge(obs).detach()
    assert float(hinge) == pytest.approx((-(0.5 - 0.4) + -1.0) / 2)
    (slope,) = torch.autograd.grad(learner._hinge(obs), learner.online.parameters)
    torch.testing.assert_close(slope, torch.tensor([-0.5, 0.2]) / 2)


def test_sa_dqns_hinge_joins_the_loss_by_its_weight() -> None:
    """In slices as in one, to the last of the batch; the loss without it is what it was."""
    rules = {"adversarial_lambda": 2.0, "adversarial_share": 0.0, "robust_steps": 2}
    losses = []
    for weight, threads in ((0.0, 1), (0.5, 1), (0.5, 3)):
        settings = replace(SETTINGS, **rules, robust_weight=weight)
        learner = Learner(network(), settings, threads=threads)
        hinge = float(learner._hinge(to_unit(batch_of(8).obs_tm1)).detach())
        learner.update(batch_of(8))
        losses.append(learner.metrics()[0])
        learner.batch_threads.close()
    assert losses[1] == pytest.approx(losses[0] + 0.5 * hinge, rel=1e-4)
    assert losses[2] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_the_attacked_share_does_not_depend_on_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """A fifth of 32 observations are 6, dealt to slices as evenly as it goes."""
    settings = replace(SETTINGS, adversarial_lambda=2.0, adversarial_share=0.2)
    learner, dealt = Learner(network(), settings, threads=threads), []
    tamper = learner._tampered

    def watched(obs: torch.Tensor, count: int) -> torch.Tensor:
        dealt.append(count)
        return tamper(obs, count)

    monkeypatch.setattr(learner, "_tampered", watched)
    learner.update(batch_of(32))
    assert sum(dealt) == 6
    assert max(dealt) - min(dealt) <= 1
    assert len(dealt) == threads


def test_adversarial_frames_are_not_rounded_away() -> None:
    """In half precision the first layer must see less than a pixel's change at bright pixels."""
    settings = replace(
        SETTINGS, precision="bfloat16", adversarial_lambda=0.25, adversarial_share=1.0
    )
    learner = Learner(network(), settings, threads=1)
    bright = batch_of(4)
    bright.obs_tm1.fill_(200)
    frames = learner._tampered(learner._input(bright.obs_tm1), 4)
    moved = (frames - 200 / 255).abs() * 255
    assert frames.dtype == torch.float32
    assert float(moved.max()) == pytest.approx(0.25, abs=1e-4)
    first, *_ = learner.online.parameters
    assert first.dtype == torch.float32
    learner.update(bright)
    assert Learner(network(), SETTINGS, threads=1).threat.lam == 0
