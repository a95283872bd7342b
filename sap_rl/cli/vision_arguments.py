"""What the commands of `sap-rl vision` take, and which function runs each; loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.schema import keyed
from sap_rl.settings.flags import add_groups
from sap_rl.settings.options import Machine
from sap_rl.vision.settings import ClassifierTraining


def add_vision(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `sap-rl vision` and their arguments."""
    commands = parser.add_subparsers(
        dest="vision_command", required=True, metavar="train | eval | figures"
    )
    _add_train(commands.add_parser("train", help="train a ResNet-20 on CIFAR-10"))


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.vision:run_train")
    _add_data(parser)
    parser.add_argument(
        "--config", type=Path, help="YAML of training options [defaults: the dense network's]"
    )
    groups = {"training options, of YAML too": keyed(ClassifierTraining)}
    add_groups(parser, groups, "sap-rl vision train --data cifar10")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the run's folder [runs/vision/CONFIG]"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--seed", default="0", help="everything random follows from it [0]")
    _add_threads(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FOLDER",
        help="where CIFAR-10 lies: the official archive or its folder, binary or Python form",
    )  # fmt: skip


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", help=keyed(Machine)["threads"].line)
