"""Examples for a student: frames of games that it and its teacher play, with the teacher's values.

The states that attacked play reaches are among them: some games are played by the student on
tampered frames. What is stored is the frame before that, and the teacher's values of it; where
cameras spoil the frames, the spoilt frame and the teacher's values of the clean one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sap_rl.agents import Agent
from sap_rl.attacks.adversary import Adversary
from sap_rl.errors import UsageError
from sap_rl.networks.actors import sampled
from sap_rl.seeds import numpy_stream
from sap_rl.training.dqn.collect import Collector, Explorer, Game
from sap_rl.training.harden.settings import HardenSettings, settled
from sap_rl.training.replay import Replay
from sap_rl.types import ActionArray, Pixels, QValues


@dataclass(frozen=True)
class DistillationBatch:
    """Frames [B, K, H, W] uint8 that no attack has touched and the teacher's values [B, A] of them,
    seen through a clean camera.

    The arrays are views of buffers that the next `sample` overwrites.
    """

    pixels: Pixels
    values: QValues

    def split(self, parts: int) -> list[DistillationBatch]:
        """The batch cut into `parts` slices at most, of nearly equal size and in order."""
        pairs = zip(self.pixels.chunk(parts), self.values.chunk(parts), strict=True)
        return [DistillationBatch(*pair) for pair in pairs]

    def divide(self, count: int) -> tuple[DistillationBatch, DistillationBatch | None]:
        """The first `count` examples, and the others if there are any."""
        rest = DistillationBatch(self.pixels[count:], self.values[count:])
        first = DistillationBatch(self.pixels[:count], self.values[:count])
        return first, rest if len(rest.values) else None


class DistillationData:
    """Games of teacher and student, and a ring of the newest clean frames, each stored once.

    envs: as for `Collector`; the last `student_envs` of them are the student's.
    """

    def __init__(self, envs: Any, teacher: Agent, settings: HardenSettings) -> None:
        self.teacher, self.settings = teacher, settled(settings, teacher.scores)
        preprocess = teacher.preprocess
        if preprocess.planes > 1:
            raise UsageError(
                f"agent '{teacher.name}' sees colour; hardening keeps grey frames only"
            )
        self.ring = Replay(
            settings.ring_frames,
            settings.num_envs,
            shape=preprocess.shape,
            n_step=1,
            fill=preprocess.fill,
            device=teacher.device,
        )
        self.num_actions = int(envs.single_action_space.n)
        self.labels = torch.zeros(self.ring.slots, self.num_actions, device=teacher.device)
        self.collector = Collector(envs, self.ring, life_loss=False)
        self.frames = 0

    def reset(self, seed: int, number: int) -> None:
        """Begin new games and streams, which follow from the run's seed and the boundary."""
        self.collector.reset(seed, number)
        self._explorer = Explorer(self.num_actions, numpy_stream(seed, "harden-policy", number))
        self._sampler = numpy_stream(seed, "harden-action", number)

    def play(self, steps: int, student: Agent | None, adversary: Adversary | None) -> list[Game]:
        """Play vector steps; without a student all games are the teacher's. The games that ended.

        student: plays on what the adversary makes of its frames.
        """
        ended = []
        device = self.teacher.device
        for _ in range(steps):
            values = self.teacher.q_values(torch.from_numpy(self.collector.clean).to(device))
            scores = values.clone()
            if student is not None and adversary is not None and self.settings.student_envs:
                own = slice(self.settings.num_envs - self.settings.student_envs, None)
                first = torch.from_numpy(self.collector.first[own])
                seen = torch.from_numpy(self.collector.obs[own]).to(device)
                tampered = adversary.perturb(seen, first)
                scores[own] = student.q_values(tampered.pixels)
            self.frames += self.collector.playing
            self.labels[self.ring.next_slots] = values
            chosen = self._chosen(scores)
            self.collector.send(self._explorer.replace(chosen, self.settings.epsilon))
            ended += self.collector.receive()
        return ended

    def _chosen(self, scores: QValues) -> ActionArray:
        """The actions [B] of scores [B, A], as the teacher is used to choose its own."""
        if self.teacher.scores == "values":
            return scores.argmax(1).cpu().numpy()
        return sampled(scores, self._sampler)

    def cut(self) -> None:
        """End every open game: a boundary follows."""
        self.collector.cut()

    def sample(self, count: int, rng: np.random.Generator) -> DistillationBatch:
        """Uniform examples with replacement."""
        pixels, slots = self.ring.observations(count, rng)
        return DistillationBatch(
            pixels, self.labels[torch.from_numpy(slots).to(self.labels.device)]
        )

    def state(self) -> dict[str, np.ndarray]:
        """Everything, as arrays that on a CPU share memory with this object."""
        held = min(self.ring.written, self.ring.rows) * self.ring.num_envs
        return self.ring.state() | {"labels": self.labels[:held].cpu().numpy()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over the `state` of other distillation data; ValueError if its sizes differ."""
        self.ring.load(state)
        self.labels[: len(state["labels"])] = torch.from_numpy(state["labels"])
