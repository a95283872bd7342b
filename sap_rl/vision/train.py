"""Trains the classifier of the paper, dense or adversarially, epoch by epoch."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sap_rl.attacks.pgd import make_fgsm
from sap_rl.attacks.threat import Threat
from sap_rl.errors import MALFORMED, UsageError, require_at_least, told_of
from sap_rl.files import MAX_WEIGHTS, check_folder, require_file, write_atomically
from sap_rl.machine import describe_hardware
from sap_rl.pixels import to_unit
from sap_rl.schema import with_defaults
from sap_rl.seeds import stream_seed, torch_stream
from sap_rl.texts import read_json
from sap_rl.types import Actions, UnitFrames
from sap_rl.vision.augment import augmented
from sap_rl.vision.classifiers import floats_of, load_classifier, write_classifier
from sap_rl.vision.data import Images
from sap_rl.vision.resnet import ResNet20
from sap_rl.vision.settings import ClassifierTraining

CHECKPOINT, CURVE = "checkpoint.safetensors", "curve.csv"
FORMAT = 1
"""The number of a checkpoint's format."""
CHUNK = 500
"""Test images at once."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    loss, accuracy: over its own batches, the accuracy in percent; test_accuracy: in percent, of
    the network after it; learning_rate: of its last update; seconds: it took.
    """

    number: int
    loss: float
    accuracy: float
    test_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """The last event: the classifier lies in `folder`; accuracy: in percent, of its weights in
    half precision."""

    folder: Path
    accuracy: float


class ClassifierRun:
    """A training in a folder, which holds its last checkpoint, its curve and at last its card.

    `run` yields an `Epoch` after each, and `Trained` at the end. A run that was killed loses the
    epoch in progress; resumed, it goes on as if nothing had happened. Raises UsageError for a
    folder that holds a run already, or none to resume, and for a resumed run with other settings.
    """

    def __init__(
        self, settings: ClassifierTraining, train: Images, test: Images, folder: Path,
        *, seed: int = 0, resume: bool = False,
    ) -> None:  # fmt: skip
        require_at_least("the number of training images", len(train), settings.batch_size)
        self.settings, self.train, self.folder, self.seed = settings, train, folder, seed
        self.test = test.centre(settings.crop)
        self.epochs: list[Epoch] = []
        check_folder(folder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "classifier-init"))
            network = ResNet20(int(test.labels.max()) + 1)
        # On a CPU convolutions are 1.7 times as fast in this layout.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.velocity = {name: torch.zeros_like(weight) for name, weight in self._trained()}
        self._start(resume)

    def run(self) -> Iterator[Epoch | Trained]:
        """Train to the end."""
        while not self.complete:
            self.epochs.append(self._epoch(len(self.epochs)))
            self._save()
            yield self.epochs[-1]
        yield self._finish()

    @property
    def complete(self) -> bool:
        """Whether all epochs are over, or the accuracy at which to stop is reached."""
        settings, epochs = self.settings, self.epochs
        enough = settings.stop_accuracy
        reached = bool(enough and epochs and epochs[-1].test_accuracy >= enough)
        return reached or len(epochs) >= settings.epochs

    def _epoch(self, number: int) -> Epoch:
        """All training images once but those that fill no batch, and the test images."""
        began, settings = time.perf_counter(), self.settings
        generator = torch_stream(self.seed, "classifier-epoch", number)
        before = copy.deepcopy(self.network).eval() if settings.adversarial_lambda else None
        order = torch.randperm(len(self.train), generator=generator)
        batches = order[: len(order) // settings.batch_size * settings.batch_size]
        loss, right, rate = 0.0, 0, 0.0
        for place, rows in enumerate(torch.split(batches, settings.batch_size)):
            images = augmented(
                self.train.pixels[rows], crop=settings.crop, padding=settings.padding,
                jitter=settings.jitter, generator=generator,
            ).contiguous(memory_format=torch.channels_last)  # fmt: skip
            labels = self.train.labels[rows]
            if before is not None:
                self._attack(before, images, labels, generator)
            passed = place * settings.batch_size / len(batches)
            rate = learning_rate(settings, number + passed)
            found, hits = self._update(images, labels, rate)
            loss, right = loss + found * len(rows), right + hits
        seen = len(batches)
        return Epoch(
            number + 1, loss / seen, 100 * right / seen, accuracy_of(self.network, self.test), rate,
            time.perf_counter() - began,
        )  # fmt: skip

    def _attack(
        self, before: ResNet20, images: UnitFrames, labels: Actions, generator: torch.Generator
    ) -> None:
        """Put FGSM examples in the place of a share of a batch."""
        count = round(self.settings.adversarial_share * len(images))
        threat = Threat(self.settings.adversarial_lambda)
        clean, label = images[:count], labels[:count]
        images[:count] = make_fgsm()(before, clean, threat, generator=generator, label=label)

    def _update(self, images: UnitFrames, labels: Actions, rate: float) -> tuple[float, int]:
        """One step of SGD with Nesterov's momentum; the loss and how many were right."""
        logits = self.network.train()(images)
        loss = F.cross_entropy(logits, labels)
        names, weights = zip(*self._trained(), strict=True)
        gradients = torch.autograd.grad(loss, weights)
        momentum = self.settings.momentum
        with torch.no_grad():
            for name, weight, gradient in zip(names, weights, gradients, strict=True):
                slope = gradient.add(weight, alpha=self.settings.weight_decay)
                velocity = self.velocity[name].mul_(momentum).add_(slope)
                weight.sub_(slope.add_(velocity, alpha=momentum), alpha=rate)
        return float(loss.detach()), int((logits.argmax(1) == labels).sum())

    def _trained(self) -> list[tuple[str, Tensor]]:
        return [pair for pair in self.network.named_parameters() if pair[1].requires_grad]

    def _start(self, resume: bool) -> None:
        """Take over the last checkpoint, or make sure that there is none."""
        path = self.folder / CHECKPOINT
        if not resume:
            if path.exists():
                raise UsageError(f"'{self.folder}' already holds a run; resume it or take another")
            return
        if not path.exists():
            raise UsageError(f"nothing to resume: there is no '{path}'")
        state, tensors = _read_checkpoint(path)
        try:
            self._take(path, state, tensors)
        except UsageError:
            raise
        except (RuntimeError, *MALFORMED) as error:
            raise UsageError(f"checkpoint '{path}' does not fit: {told_of(error)}") from error

    def _take(self, path: Path, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint holds."""
        settings = with_defaults(ClassifierTraining, state["settings"])
        for name, now in (asdict(self.settings) | {"seed": self.seed}).items():
            was = settings.get(name, state["seed"])
            if was != now:
                raise UsageError(
                    f"'{path}' was made with {name}={was}, not {now}: a resumed run keeps it"
                )
        with torch.no_grad():
            for name, value in floats_of(self.network).items():
                value.copy_(tensors[f"weights.{name}"])
            for name, value in self.velocity.items():
                value.copy_(tensors[f"velocity.{name}"])
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]

    def _save(self) -> None:
        """Write the checkpoint and the curve, each whole or not at all."""
        tensors = {f"weights.{name}": value for name, value in floats_of(self.network).items()}
        tensors |= {f"velocity.{name}": value for name, value in self.velocity.items()}
        epochs = [asdict(epoch) for epoch in self.epochs]
        state = {
            "format": FORMAT, "settings": asdict(self.settings), "seed": self.seed,
            "epochs": epochs,
        }  # fmt: skip
        kept = {name: value.contiguous() for name, value in tensors.items()}
        data = save(kept, metadata={"state": json.dumps(state, allow_nan=False)})
        write_atomically(self.folder / CHECKPOINT, data)
        lines = [",".join(epochs[0]), *(",".join(map(str, e.values())) for e in epochs)]
        write_atomically(self.folder / CURVE, "\n".join(lines) + "\n")

    def _finish(self) -> Trained:
        """Write the classifier, then measure what was written and state it."""
        facts: dict[str, Any] = {
            "training": {
                "epochs": len(self.epochs),
                "minutes": round(sum(epoch.seconds for epoch in self.epochs) / 60),
                "seed": self.seed,
                "hardware": describe_hardware(torch.device("cpu")),
                "threads": torch.get_num_threads(),
                "torch": str(torch.__version__),
                "config": asdict(self.settings),
            },
            "licence": {"weights": "MIT"},
        }
        write_classifier(self.folder, self.network, facts)
        found = accuracy_of(load_classifier(self.folder), self.test)
        facts["accuracy"] = {
            "percent": found, "images": len(self.test), "side": self.settings.crop
        }  # fmt: skip
        write_classifier(self.folder, self.network, facts)
        return Trained(self.folder, found)


def learning_rate(settings: ClassifierTraining, epoch: float) -> float:
    """The rate at a time in epochs, 0 at the start; one-cycle: Smith 2018 (arXiv 1803.09820)."""
    highest = settings.learning_rate
    if settings.schedule == "halving":
        return highest * 0.5 ** int(epoch / settings.halve_epochs)
    done = epoch / settings.epochs
    up = settings.warmup_share
    return highest * (done / up if done < up else (1 - done) / (1 - up))


def accuracy_of(network: torch.nn.Module, images: Images) -> float:
    """Percent of images whose highest logit is their class's, in evaluation mode."""
    network.eval()
    right = 0
    with torch.no_grad():
        parts = torch.split(images.pixels, CHUNK), torch.split(images.labels, CHUNK)
        for pixels, labels in zip(*parts, strict=True):
            right += int((network(to_unit(pixels)).argmax(1) == labels).sum())
    return 100 * right / len(images)


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a run was and its tensors; UsageError where the file is broken or newer."""
    try:
        require_file(path, MAX_WEIGHTS)
        with safe_open(path, "pt") as file:
            state = read_json(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if state["format"] > FORMAT:
            raise ValueError(f"format {state['format']} is newer than this version's {FORMAT}")
    except (OSError, SafetensorError, *MALFORMED) as error:
        raise UsageError(f"checkpoint '{path}' cannot be read: {told_of(error)}") from error
    return state, tensors
