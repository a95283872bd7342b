"""What the commands of `sap-rl vision` take, and which function runs each; loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.arguments.shared import folder_flag, json_flag, quiet_flag, seed_flag, threads_flag
from sap_rl.cli.parser import Parser
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_group, add_groups
from sap_rl.settings.options import attack_group
from sap_rl.vision.settings import FIGURE_NAMES, ClassifierSettings, ClassifierTraining


def add_vision(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `sap-rl vision` and their arguments."""
    commands = parser.add_subparsers(
        dest="vision_command", required=True, metavar="train | eval | figures"
    )
    _add_train(commands.add_parser("train", help="train a ResNet-20 on CIFAR-10"))
    _add_eval(commands.add_parser("eval", help="attack a classifier and report its accuracy"))
    _add_figures(commands.add_parser("figures", help="compute and draw the paper's figures"))


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.vision:run_train")
    _add_data(parser)
    parser.add_argument(
        "--config", type=Path, help="YAML of training options [defaults: the dense network's]"
    )
    groups = {"training options, of YAML too": keyed(ClassifierTraining)}
    add_groups(parser, groups, "sap-rl vision train --data cifar10")
    folder_flag(parser, "the run's folder [runs/vision/CONFIG]")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    seed_flag(parser)
    threads_flag(parser)
    quiet_flag(parser)


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.vision:run_eval", more=_add_attacks)
    parser.description = "What attacks take are flags too: `sap-rl attacks pgd` lists them."
    _add_data(parser)
    parser.add_argument(
        "--model", default="resnet20", help="resnet20, adv, or the folder of a training [resnet20]"
    )
    groups = {"the question": keyed(ClassifierSettings)}
    add_groups(parser, groups, "sap-rl vision eval --data cifar10 --lambda 1 4 --images 100")
    _add_images(parser)
    threads_flag(parser)
    json_flag(parser)
    quiet_flag(parser, "only the table")


def _add_figures(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.vision:run_figures")
    parser.description = "Goes on where it was interrupted: what is computed lies in the folder."
    _add_data(parser)
    parser.add_argument(
        "names", nargs="*", metavar="FIGURE", help=f"{', '.join(FIGURE_NAMES)} [all]"
    )
    what = "tables, pictures, the page and what they rest on [runs/vision/figures]"
    folder_flag(parser, what, Path("runs/vision/figures"))
    _add_images(parser)
    threads_flag(parser)
    quiet_flag(parser)


def _add_attacks(parser: Parser) -> None:
    add_group(parser, "options of attacks, each with its default", attack_group())


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", default="1000", help="the first test images, as many of each class [1000]"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FOLDER",
        help="where CIFAR-10 lies: the official archive or its folder, binary or Python form",
    )  # fmt: skip
