"""Attacks a classifier's images and counts what it still classifies rightly."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sap_rl.attacks import ATTACKS, make_attack
from sap_rl.attacks.gradients import is_random
from sap_rl.attacks.threat import Threat
from sap_rl.defenses import DEFENSES, parse_defense
from sap_rl.defenses.activations import shared_copy
from sap_rl.defenses.defended import backwards_of, sampler_of
from sap_rl.errors import UsageError
from sap_rl.machine import describe_hardware
from sap_rl.pixels import PIXEL_MAX, to_unit
from sap_rl.schema import documented
from sap_rl.seeds import stream_seed, torch_stream
from sap_rl.statistics.calibration import calibration
from sap_rl.statistics.proportions import wilson_interval
from sap_rl.types import UnitFrames
from sap_rl.vision.data import Images
from sap_rl.vision.results import ClassifierEvaluation, ClassifierRow
from sap_rl.vision.settings import (
    PASSES,
    PASSES_OF_STEPS,
    ROWS,
    ClassifierSettings,
    Victim,
)


@dataclass(frozen=True)
class Attacked:
    """So many of all images were attacked at a lambda, None for all lambdas at once."""

    done: int
    images: int
    lam: float | None


class _Chunked:
    """A network as a callable that averages passes at most `max_rows` images at a time."""

    def __init__(self, network: nn.Module, max_rows: int) -> None:
        self.network, self.max_rows = network, max_rows

    def __call__(self, images: Tensor) -> Any:
        return self.network(images)


class ClassifierEvaluationRun:
    """One evaluation: `run` yields `Attacked` and, as soon as it is known, each row.

    module: unit images [B, C, H, W] -> logits [B, classes]; it is used in evaluation mode and stays
    as it is. UsageError for images and labels that do not fit it.
    """

    def __init__(
        self, module: nn.Module, images: Images, settings: ClassifierSettings, *,
        model: str = "", sha256: str | None = None,
    ) -> None:  # fmt: skip
        self.images, self.settings = images, settings
        self.model, self.sha256 = model or type(module).__name__, sha256
        original = shared_copy(module).eval()
        self.player = _defended(original, settings, "player")
        classes = _classes(self.player, images)
        if int(images.labels.max()) >= classes or int(images.labels.min()) < 0:
            raise UsageError(
                f"labels reach from {int(images.labels.min())} to {int(images.labels.max())}, and "
                f"{self.model} knows {classes} classes, 0 to {classes - 1}"
            )
        self.victim = self._victim(original)
        first = to_unit(images.pixels[:2])
        steps = not ATTACKS[settings.attack].one_step
        wanted = settings.grad_samples or (PASSES_OF_STEPS if steps else PASSES)
        self.grad_samples = wanted if is_random(self.victim, first) else 1
        self.policy_samples = settings.policy_samples if is_random(self.player, first) else 1
        _attack(settings, 1.0, 1)  # unusable options are refused before anything is computed
        if ATTACKS[settings.attack].needs_frames:
            raise UsageError(f"attack '{settings.attack}' is fitted on frames of games, not images")
        self.rows: list[ClassifierRow] = []
        self.seconds = 0.0

    def run(self) -> Iterator[Attacked | ClassifierRow]:
        """Attack and classify, lambda by lambda."""
        began = time.perf_counter()
        directions = None
        if self._one_gradient and any(self.settings.lams):
            directions = yield from self._moved(PIXEL_MAX, None)
            directions = (directions - to_unit(self.images.pixels)).sign_()
        for lam in self.settings.lams:
            clean = to_unit(self.images.pixels)
            if not lam:
                adv = clean
            elif directions is not None:
                threat = Threat(lam)
                adv = threat.project(clean + threat.eps * directions, clean)
            else:
                adv = yield from self._moved(lam, lam)
            self.rows.append(self._row(lam, adv, clean))
            self.seconds = time.perf_counter() - began
            yield self.rows[-1]

    def result(self) -> ClassifierEvaluation:
        """What is known by now."""
        made = {
            "hardware": describe_hardware(self.images.pixels.device),
            "torch": str(torch.__version__), "threads": str(torch.get_num_threads()),
        }  # fmt: skip
        return ClassifierEvaluation(
            self.model, self.settings, tuple(self.rows), self.grad_samples, self.policy_samples,
            sampler_of(self.player), self.sha256, self.seconds, made,
        )  # fmt: skip

    @property
    def _one_gradient(self) -> bool:
        """Whether the signs of one gradient at the clean images serve every lambda: they do for an
        attack of a single step, whose changes at the largest lambda say them."""
        factory = ATTACKS[self.settings.attack]
        return factory.one_step and factory.needs == "gradient"

    def _victim(self, original: nn.Module) -> nn.Module:
        """The attacked copy, with random streams of its own."""
        settings = self.settings
        if settings.norms == "batch":  # statistics of its own, so that the player's stay
            original = copy.deepcopy(original).train()
        if settings.victim == "original":
            return original
        victim = _defended(original, settings, "victim")
        if settings.backward is not None:
            if settings.backward not in backwards_of(victim):
                raise UsageError(f"{settings.defense} has no backward mode {settings.backward}")
            victim.backward = settings.backward  # type: ignore[assignment]
        return victim

    def _moved(self, budget: float, lam: float | None) -> Generator[Attacked, None, Tensor]:
        """Attacked unit images, as a generator's result."""
        attack = _attack(self.settings, budget, self.grad_samples)
        generator = torch_stream(self.settings.seed, "classifier-attack")
        _reseed(self.victim, stream_seed(self.settings.seed, "classifier-victim", f"{budget:g}"))
        threat, found, done = Threat(budget), [], 0
        # Passes that share a batch would share its statistics.
        together = self.settings.attack_batch if self.settings.norms == "batch" else ROWS
        victim = _Chunked(self.victim, together)
        for pixels, labels in self._parts():
            adv = attack(victim, to_unit(pixels), threat, generator=generator, label=labels)
            found.append(adv)
            done += len(labels)
            yield Attacked(done, len(self.images), lam)
        return torch.cat(found)

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        size = self.settings.attack_batch
        yield from zip(
            torch.split(self.images.pixels, size), torch.split(self.images.labels, size),
            strict=True,
        )  # fmt: skip

    def _row(self, lam: float, adv: UnitFrames, clean: UnitFrames) -> ClassifierRow:
        """What the player makes of attacked images, after the referee looked at them."""
        threat, pixels = Threat(lam), self.images.pixels
        received = threat.deliver(adv, clean, pixels)
        largest = float(threat.check(received, pixels, pixels).linf.max())
        _reseed(self.player, stream_seed(self.settings.seed, "classifier-player", f"{lam:g}"))
        shares = probabilities(self.player, to_unit(received), passes=self.policy_samples)
        right = shares.argmax(1) == self.images.labels
        wrong = torch.nonzero(~right).flatten().tolist()
        hits, count = int(right.sum()), len(right)
        low, high = wilson_interval(hits, count)
        return ClassifierRow(
            lam, count, 100 * hits / count, 100 * low, 100 * high, largest,
            calibration(shares.numpy(), self.images.labels.numpy()), tuple(wrong),
        )  # fmt: skip


@documented(
    ClassifierSettings,
    module="unit images [B, C, H, W] -> logits [B, classes]",
    images="pixels 0..255 [N, C, H, W], uint8 or float32",
    labels="classes [N], int64",
    lam="attack budgets, one or several (pixels 0..255) [0, 1, 2, 4, 8, 16, 32]",
    defense="sap-100 (any sap-K), or None [None]",
    model="what results call it [the module's class]",
)
def evaluate_classifier(
    module: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    lam: float | Sequence[float] = ClassifierSettings.lams,
    defense: str | None = None,
    attack: str = ClassifierSettings.attack,
    attack_options: dict[str, Any] | None = None,
    grad_samples: int | None = ClassifierSettings.grad_samples,
    policy_samples: int = ClassifierSettings.policy_samples,
    victim: Victim = ClassifierSettings.victim,
    backward: Any = ClassifierSettings.backward,
    norms: Any = ClassifierSettings.norms,
    attack_batch: int = ClassifierSettings.attack_batch,
    seed: int = ClassifierSettings.seed,
    model: str = "",
) -> ClassifierEvaluation:
    """Accuracy of any classifier, with intervals and calibration, on images that are attacked away
    from their true classes; a random one's softmax is averaged over passes.

    `pgd` takes the paper's ceil(lambda) steps of one pixel from the clean image, and fgsm one
    gradient there for every lambda. Raises UsageError in one line for anything unusable.
    """
    settings = ClassifierSettings(
        lams=(float(lam),) if isinstance(lam, int | float) else tuple(float(v) for v in lam),
        defense=defense, attack=attack, attack_options=attack_options or {},
        grad_samples=grad_samples, policy_samples=policy_samples, victim=victim,
        backward=backward, norms=norms, attack_batch=attack_batch, seed=seed,
    )  # fmt: skip
    run = ClassifierEvaluationRun(module, checked_images(images, labels), settings, model=model)
    for _ in run.run():
        pass
    return run.result()


def probabilities(network: nn.Module, images: UnitFrames, *, passes: int) -> Tensor:
    """Softmax averaged over passes [B, classes], without a graph."""
    found = []
    with torch.no_grad():
        for part in torch.split(images, ROWS):
            total: Tensor | float = 0.0
            for _ in range(passes):
                total = total + network(part).softmax(1)
            found.append(total / passes)
    return torch.cat(found)  # type: ignore[arg-type]


def checked_images(images: Tensor, labels: Tensor) -> Images:
    """Images of one's own; UsageError for what are surely no pixels, or other counts."""
    if images.ndim != 4 or labels.ndim != 1 or len(images) != len(labels) or not len(labels):
        raise UsageError(
            f"images must be [N, C, H, W] and labels [N], got {list(images.shape)} and "
            f"{list(labels.shape)}"
        )
    if images.dtype not in (torch.uint8, torch.float32) or labels.dtype != torch.int64:
        raise UsageError(
            f"images must be uint8 or float32 and labels int64, got {images.dtype} and "
            f"{labels.dtype}"
        )
    low, high = float(images.min()), float(images.max())
    if not 0 <= low <= high <= PIXEL_MAX or not math.isfinite(high):
        raise UsageError(f"pixels must lie in 0..255, got {low:g} to {high:g}")
    if images.is_floating_point() and high <= 1:
        raise UsageError(f"pixels must be 0..255, and these reach {high:g}: multiply them by 255")
    return Images(images, labels)


def _defended(module: nn.Module, settings: ClassifierSettings, stream: str) -> nn.Module:
    """The classifier behind its defence, with a stream of its own."""
    if settings.defense is None:
        return module
    name, options = parse_defense(settings.defense)
    seed = stream_seed(settings.seed, f"classifier-{stream}")
    return DEFENSES[name](module, seed=seed, **options)


def _attack(settings: ClassifierSettings, lam: float, grad_samples: int) -> Any:
    """The attack at a lambda; the paper's steps for pgd of which nothing is said."""
    options, factory = dict(settings.attack_options), ATTACKS[settings.attack]
    if settings.attack == "pgd" and not options:
        options = {"steps": max(1, math.ceil(lam)), "step_size": 1.0, "random_start": False}
    if "grad_samples" in factory.options:
        options["grad_samples"] = grad_samples
    return make_attack(settings.attack, **options)


def _reseed(module: nn.Module, seed: int) -> None:
    """A new stream, where there is one: a lambda's draws do not depend on the other lambdas."""
    reseed = getattr(module, "reseed", None)
    if callable(reseed):
        reseed(seed)


def _classes(network: nn.Module, images: Images) -> int:
    """How many classes the network knows; UsageError where its values are no logits."""
    with torch.no_grad():
        out = network(to_unit(images.pixels[:2]))
    if not isinstance(out, Tensor) or out.ndim != 2 or out.shape[1] < 2:
        shape = list(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"a classifier gives logits [B, classes], this one gives {shape}")
    return int(out.shape[1])
