"""Arguments that several commands take; loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.parser import Parser
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_flag, add_group, read_too
from sap_rl.settings.options import Loading, Machine, attack_group, defense_group

LOADING = keyed(Loading)
MACHINE = keyed(Machine)
RESULTS = "what `sap-rl sweep` or `sap-rl eval --json` wrote"


def attack_and_defense_flags(parser: Parser) -> None:
    """What attacks and defences take; loads all of them."""
    add_group(parser, "options of attacks, each with its default", attack_group())
    defense_flags(parser)


def defense_flags(parser: Parser) -> None:
    """What defences take; loads all of them."""
    add_group(parser, "options of defences, each with its default", defense_group())


def agent_flags(parser: argparse.ArgumentParser) -> None:
    """Who plays, and what `load_agent` may have to be told."""
    parser.add_argument("--agent", help=LOADING["agent"].line)
    loading_flags(parser)


def loading_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say what `load_agent` may have to be told."""
    for name in ("format", "preprocess", "entry"):
        add_flag(parser, LOADING[name])


def results_argument(parser: argparse.ArgumentParser) -> None:
    """Results of sweeps and evaluations, one or several."""
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT", help=f"{RESULTS}, one or several"
    )


def config_flag(parser: argparse.ArgumentParser) -> None:
    """The file of options over which flags win."""
    parser.add_argument("--config", type=Path, help="YAML with these options; flags win over it")


def seconds_flag(parser: argparse.ArgumentParser, what: str) -> None:
    """The length of a film; what: which."""
    parser.add_argument(
        "--seconds", default=20, help=f"{what}, at half the speed of the console [20]"
    )


def seed_flag(
    parser: argparse.ArgumentParser, what: str = "everything random follows from it"
) -> None:
    """The seed; what: it decides."""
    parser.add_argument("--seed", default="0", help=f"{what} [0]")


def device_flag(parser: argparse.ArgumentParser) -> None:
    """Where networks compute."""
    parser.add_argument("--device", default=Machine.device, help=MACHINE["device"].line)


def threads_flag(parser: argparse.ArgumentParser) -> None:
    """Threads of torch and of the emulators."""
    parser.add_argument("--threads", help=MACHINE["threads"].line)


def board_flag(parser: argparse.ArgumentParser) -> None:
    """Where TensorBoard events go."""
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard events")


def folder_flag(
    parser: argparse.ArgumentParser, what: str, default: Path | None = None, required: bool = False
) -> None:
    """The folder that a command writes; what: is in it."""
    action = parser.add_argument(
        "--out-dir", type=Path, default=default, required=required, metavar="DIR", help=what
    )
    read_too(parser, action, "--out")


def json_flag(parser: argparse.ArgumentParser) -> None:
    """The file that holds everything."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as one object")


def quiet_flag(parser: argparse.ArgumentParser, then: str = "") -> None:
    """No progress; then: what is printed all the same."""
    help = f"no progress, {then}" if then else "no progress"
    parser.add_argument("--quiet", action="store_true", help=help)
