"""Double DQN's update: targets, loss, gradient, step."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sap_rl.attacks.objectives import margin
from sap_rl.attacks.pgd import Steps, pgd
from sap_rl.attacks.threat import Threat
from sap_rl.networks.device import usable_device
from sap_rl.networks.precision import half_precision
from sap_rl.training.dqn.schedules import warmup
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.dqn.targets import (
    TARGETS,
    Loss,
    action_values,
    huber_loss,
    quantile_huber_loss,
    take,
)
from sap_rl.training.precision import choose_dtype, network_input, rounded_copy
from sap_rl.training.replay import Batch
from sap_rl.training.trainee import Parts, Trainee
from sap_rl.training.weights import kept_weights, take_weights


class Learner(Trainee):
    """An online network, its target network and an optimiser.

    network: unit frames [B, K, H, W] -> [B, A], or quantiles [B, A, N] where settings.network says
    so; lr_origin: the count of updates at which the learning rate starts to rise, None for never.
    """

    verb = "training"
    facts = ("loss", "value", "gradient norm")

    def __init__(
        self,
        network: nn.Module,
        settings: TrainSettings,
        device: torch.device | str = "cpu",
        *,
        threads: int | None = None,
    ) -> None:
        self.settings, device = settings, usable_device(device)
        self.threat = Threat(float(settings.adversarial_lambda))
        # Perturbations are below half precision's step at bright pixels: not the first layer then.
        attacked = self.threat.lam > 0
        super().__init__(
            network.to(device).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
            settings,
            device,
            choose_dtype(settings.precision, device),
            threads=threads,
            round_to=half_precision if attacked else rounded_copy,
        )
        self.input_dtype = torch.float32 if attacked else self.dtype
        self.target = _frozen(self.online.module)
        self.target_rule = TARGETS[settings.target]
        quantiles = settings.network == "quantile"
        self.loss: Loss = quantile_huber_loss if quantiles else huber_loss
        self.lr_origin: int | None = None
        self._unused = torch.Generator(self.device)  # neither FGSM nor the hinge draws

    def values(self, pixels: Tensor) -> Tensor:
        """The online network's action values [B, A], float32, of uint8 frames [B, K, H, W]."""
        return torch.cat(
            self.batch_threads.run(self._values, pixels.chunk(self.batch_threads.size))
        )

    @torch.inference_mode()
    def _values(self, pixels: Tensor) -> Tensor:
        obs = network_input(pixels.to(self.device), self.input_dtype)
        return action_values(self.online.module(obs).float())

    def update(self, batch: Batch) -> None:
        """One gradient step, and the target network's copy every `target_period` updates."""
        count = len(batch.reward_t)
        parts = batch.split(self.batch_threads.size)
        dealt = deal(self._attacked(count), [len(part.reward_t) for part in parts])
        slices = self.batch_threads.run(
            lambda work: self._passes(*work, count), list(zip(parts, dealt, strict=True))
        )
        norm = self.optimizer.step([gradient for gradient, _ in slices], self.learning_rate)
        facts = torch.stack([facts for _, facts in slices]).sum(0)
        self._add(torch.cat([facts, norm[None]]))
        if self.updates % self.settings.target_period == 0:
            self.sync_target()
        if self.device.type == "cpu":  # elsewhere reading a number would make the host wait
            self.check_facts()

    def _attacked(self, count: int) -> int:
        """How many of an update's `count` observations are tampered with."""
        if not self.threat.lam or not self.settings.adversarial_share:
            return 0
        return max(round(self.settings.adversarial_share * count), 1)

    def _passes(self, part: Batch, attacked: int, count: int) -> tuple[list[Tensor], Tensor]:
        """What a slice adds to the gradient of the mean loss over `count`, and to loss and value;
        attacked: how many of its observations are tampered with."""
        share = len(part.reward_t) / count
        action = part.action_tm1.to(self.device)
        target = self._targets(part)
        obs_tm1 = self._input(part.obs_tm1)
        q_tm1 = self.online.module(self._tampered(obs_tm1, attacked)).float()
        loss = self.loss(q_tm1, action, target) * share
        if self.settings.robust_weight:
            loss = loss + self.settings.robust_weight * share * self._hinge(obs_tm1)
        q_mean = take(q_tm1.detach(), action).mean() * share
        return self.online.gradient(loss), torch.stack([loss.detach(), q_mean])

    def _hinge(self, obs: Tensor) -> Tensor:
        """SA-DQN's regulariser (Zhang et al. 2020, arXiv 2003.08938, section 3.4): by how much at
        worst another action's value exceeds the greedy one's within the budget, but at least minus
        robust_hinge; the mean over frames. PGD on the margin seeks the worst."""
        with torch.no_grad():
            greedy = self._q(obs).argmax(1)
        worst = pgd(
            self._q, obs, self.threat, generator=self._unused, label=greedy,
            steps=Steps(self.settings.robust_steps), objective=margin,
        ).detach()  # fmt: skip
        return margin(self._q(worst), greedy).clamp(min=-self.settings.robust_hinge).mean()

    def _q(self, frames: Tensor) -> Tensor:
        return action_values(self.online.module(frames).float())

    def _tampered(self, obs: Tensor, count: int) -> Tensor:
        """The first `count` of them under FGSM on the online network."""
        if not count:
            return obs
        adv = pgd(self._q, obs[:count], self.threat, generator=self._unused, steps=Steps(1))
        return torch.cat([adv.detach(), obs[count:]])

    def _targets(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            obs_t = self._input(batch.obs_t)
            return self.target_rule(
                batch.reward_t.to(self.device),
                batch.discount_t.to(self.device),
                self.target(obs_t).float(),
                self.online.module(obs_t).float(),
            )

    def _input(self, pixels: Tensor) -> Tensor:
        return network_input(pixels.to(self.device, non_blocking=True), self.input_dtype)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        rate = float(self.settings.learning_rate)
        if self.lr_origin is None:
            return rate
        return rate * warmup(self.settings.restart_lr_updates, self.updates - self.lr_origin)

    @torch.no_grad()
    def sync_target(self) -> None:
        """Copy the online network to the target network."""
        copies: list[Tensor] = list(self.target.parameters())
        torch._foreach_copy_(copies, self.online.parameters)

    def metrics(self) -> tuple[float, float, float]:
        """Mean loss, chosen value and gradient norm since the last call."""
        loss, q_mean, norm = self._means()
        return loss, q_mean, norm

    def parts(self) -> Parts:
        """The target network's weights beside the others."""
        return {"target": kept_weights(self.target)} | super().parts()

    def load_parts(self, parts: Parts) -> None:
        """Take over another learner's `parts`; without a target network's, the weights serve."""
        take_weights(self.target, parts.get("target", parts["weights"]))
        super().load_parts({name: part for name, part in parts.items() if name != "target"})


def deal(total: int, sizes: Sequence[int]) -> list[int]:
    """Deal `total` out over slices of these sizes, as near to proportion as whole numbers allow."""
    ends = np.cumsum([0, *sizes])
    return np.diff(total * ends // max(int(ends[-1]), 1)).tolist()  # type: ignore[no-any-return]


def _frozen(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).requires_grad_(False)
