"""A hardening's update: tamper with clean frames, learn the teacher's values of them, step."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sap_rl.agents import Agent
from sap_rl.attacks.objectives import OBJECTIVES
from sap_rl.attacks.pgd import Steps, pgd
from sap_rl.attacks.threat import Threat
from sap_rl.certification.bounds import worst_margins
from sap_rl.networks.precision import half_precision
from sap_rl.pixels import lam_to_eps, to_unit
from sap_rl.seeds import torch_stream
from sap_rl.training.harden.data import DistillationBatch
from sap_rl.training.harden.distances import make_distance
from sap_rl.training.harden.settings import OWN_LOSS, HardenSettings, settled
from sap_rl.training.precision import choose_dtype
from sap_rl.training.trainee import Diverged, Trainee

FLAT_UPDATES = 300
"""Updates at the full learning rate before it begins to fall: by then `minutes` is a number of
updates, and a run that is asked for that number is the same run."""

FIRST_SHARE = 0.25
"""Share of the budget with which a growing one begins."""
COLLAPSED = 1e-6
"""Share of the variance of the teacher's values over frames, below which the student's has died."""


@dataclass(frozen=True)
class Progressed:
    """Means since the last call: of the loss, and of the shares of tampered and of clean examples
    on which student and teacher choose the same action."""

    loss: float
    agreement_attacked: float
    agreement_clean: float
    grad_norm: float


class Student(Trainee):
    """A network that starts as the teacher's copy and learns to see through perturbations.

    teacher: its module is copied, never touched.
    """

    verb = "hardening"
    facts = ("loss", "agreement", "agreement on clean frames", "gradient norm",
             "the student's variance over frames", "the teacher's")  # fmt: skip

    def __init__(
        self, teacher: Agent, settings: HardenSettings, *, threads: int | None = None
    ) -> None:
        self.settings = settings = settled(settings, teacher.scores)
        # Frames in half precision would lose perturbations of less than a pixel: not the first.
        super().__init__(
            copy.deepcopy(teacher.module).float().train(False).requires_grad_(True),
            settings,
            teacher.device,
            choose_dtype(settings.precision, teacher.device),
            threads=threads,
            round_to=half_precision,
        )
        self.agent = replace(teacher, module=self.online.module, name=f"{teacher.name}-hardened")
        self.distance = make_distance(
            settings.loss, temperature=settings.temperature, value_weight=settings.value_weight
        )
        if settings.bound_weight:
            self._require_bounds()
        self.reseed(0, 0)

    def graduate(self) -> Agent:
        """The student as it is now, in float32, with a module of its own."""
        module = copy.deepcopy(self.network).requires_grad_(True)
        licence = {"licence": {"weights": "as its parent's"}}
        return replace(self.agent, module=module, sha256=None, facts=licence)

    def _require_bounds(self) -> None:
        """UsageError now, not after a ramp, for a network that has none."""
        frame = torch.zeros(1, *self.agent.preprocess.shape, device=self.device)
        label = torch.zeros(1, dtype=torch.long, device=self.device)
        with torch.no_grad():
            worst_margins(self.network, frame, label, 0.0)

    def reseed(self, seed: int, number: int) -> None:
        """Start the inner attack's streams again, as every boundary does."""
        self._generators = [
            torch_stream(seed, "harden-attack", number, part, device=self.device)
            for part in range(self.batch_threads.size)
        ]

    def learning_rate(self, total: int) -> float:
        """The rate of the next of `total` updates: full at first, then in a straight line to 0."""
        left = (total - self.updates) / max(total - FLAT_UPDATES, 1)
        return float(self.settings.learning_rate) * min(1.0, max(left, 0.0))

    def risen(self, total: int) -> float:
        """How much of the ramp lies behind the next update, 0..1: the share of bounds' weight and
        budget, which begin at nothing, since a network that nobody trained for them has huge ones.
        """
        flat = FLAT_UPDATES if total > FLAT_UPDATES else 0
        over = self.settings.lam_ramp * max(total - flat, 1)
        return min(1.0, max(self.updates - flat, 0) / over) if over else 1.0

    def ramp(self, total: int) -> float:
        """The share of the budget that the next update's attack has."""
        return FIRST_SHARE + (1 - FIRST_SHARE) * self.risen(total)

    def update(
        self, attacked: DistillationBatch, clean: DistillationBatch | None, total: int
    ) -> None:
        """One step on examples to be tampered with and, beside them, clean ones."""
        parts = attacked.split(self.batch_threads.size)
        beside = clean.split(len(parts)) if clean is not None else []
        count = len(attacked.values) + (len(clean.values) if clean is not None else 0)
        share, risen = self.ramp(total), self.risen(total)
        work = [
            (part, beside[i] if i < len(beside) else None, self._generators[i])
            for i, part in enumerate(parts)
        ]
        found = self.batch_threads.run(
            lambda item: self._passes(*item, count=count, share=share, risen=risen), work
        )
        norm = self.optimizer.step([gradient for gradient, _ in found], self.learning_rate(total))
        loss, kept, kept_clean, *spreads = torch.stack([facts for _, facts in found]).sum(0)
        agreement = kept / len(attacked.values)
        agreement_clean = kept_clean / (len(clean.values) if clean is not None else 1)
        self._add(torch.stack([loss, agreement, agreement_clean, norm, *spreads]))

    def _passes(
        self,
        attacked: DistillationBatch,
        clean: DistillationBatch | None,
        generator: torch.Generator,
        *,
        count: int,
        share: float,
        risen: float,
    ) -> tuple[list[Tensor], Tensor]:
        """A slice's part of the mean loss's gradient over `count` examples; loss, agreements, and
        how much the student's and the teacher's values vary over frames."""
        threat = Threat(float(self.settings.lam) * share)
        obs, target = to_unit(attacked.pixels), attacked.values
        frames = self.worst(obs, target, threat, generator)
        size = len(frames)
        if clean is not None:
            frames = torch.cat([frames, to_unit(clean.pixels)])
            target = torch.cat([target, clean.values])
        values = self.online.module(frames)
        loss = self.distance(values, target).sum() / count
        if weight := self.settings.bound_weight * risen:
            label = attacked.values.argmax(1)
            eps = lam_to_eps(float(self.settings.lam) * risen)
            worst = worst_margins(self.online.module, obs, label, eps)
            bound = torch.logsumexp(
                torch.cat([worst.new_zeros(size, 1), worst / self.settings.temperature], 1), 1
            )
            loss = (1 - weight) * loss + weight * bound.sum() / count
        same = values.detach().argmax(1).eq(target.argmax(1))
        spreads = [q.detach().float().var(0, correction=0).mean() for q in (values, target)]
        facts = torch.stack([loss.detach(), same[:size].sum(), same[size:].sum(), *spreads])
        return self.online.gradient(loss), facts

    def worst(
        self, obs: Tensor, target: Tensor, threat: Threat, generator: torch.Generator
    ) -> Tensor:
        """Frames near `obs` [B, K, H, W] on which the student is far from `target` [B, A]."""
        s = self.settings
        steps = Steps(s.inner_steps, s.inner_size * threat.eps, random_start=True)
        own = s.inner_objective == OWN_LOSS
        return pgd(
            self.online.module, obs, threat, generator=generator, steps=steps,
            label=target if own else target.argmax(1),
            objective=self.distance if own else OBJECTIVES[s.inner_objective],
        ).detach()  # fmt: skip

    def metrics(self) -> Progressed:
        """Means since the last call; Diverged if something was not finite or the student died."""
        loss, attacked, clean, norm, *_ = self._means()
        return Progressed(loss, attacked, clean, norm)

    def check_facts(self) -> None:
        """Raise Diverged if a fact was not finite, or the student died."""
        super().check_facts()
        *_, own, teacher = self._sums.tolist()
        if own < COLLAPSED * teacher:
            raise Diverged(
                f"hardening collapsed by update {self.updates}: the student gives every frame the "
                f"same values; try a learning_rate below {self.settings.learning_rate:g}"
            )
