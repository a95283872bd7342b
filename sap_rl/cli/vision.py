"""`sap-rl vision`: train classifiers, attack them, draw what came out."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.terminal import say, set_threads
from sap_rl.schema import keyed
from sap_rl.settings.options import read_option, read_yaml
from sap_rl.vision.data import load_cifar10
from sap_rl.vision.settings import ClassifierTraining, classifier_training
from sap_rl.vision.train import ClassifierRun, Epoch

RUNS = Path("runs/vision")


def run_train(args: argparse.Namespace) -> int:
    """Train a classifier; a run that was killed goes on with --resume."""
    options = read_yaml(args.config) if args.config else {}
    options |= {name: vars(args)[name] for name in keyed(ClassifierTraining) if name in args}
    settings = classifier_training(options)
    set_threads(args.threads)
    folder = args.out or RUNS / (args.config.stem if args.config else "resnet20")
    train, test = (load_cifar10(args.data, split) for split in ("train", "test"))
    seed = read_option("seed", args.seed)
    run = ClassifierRun(settings, train, test, folder, seed=seed, resume=args.resume)
    for event in run.run():
        if isinstance(event, Epoch):
            if not args.quiet:
                say(_told(event, settings.epochs), stderr=True)
        else:
            say(f"{event.folder}: {event.accuracy:.2f}% of {len(test):,} test images")
    return 0


def _told(epoch: Epoch, epochs: int) -> str:
    return (
        f"epoch {epoch.number} of {epochs}: loss {epoch.loss:.3f}, {epoch.accuracy:.1f}% of "
        f"its batches, {epoch.test_accuracy:.2f}% of the test images, {epoch.seconds:.0f} s"
    )
