"""What the commands of `sap-rl agents` take, and which function runs each; loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.arguments.shared import LOADING, folder_flag, loading_flags, threads_flag
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_flag
from sap_rl.zoo.settings import ExportSettings

EXPORT = keyed(ExportSettings)


def add_agents(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `sap-rl agents` and their arguments."""
    parser.set_defaults(run="sap_rl.cli.agents:run_list")
    commands = parser.add_subparsers(
        dest="agents_command", metavar="list | show | import | export | check"
    )
    listing = commands.add_parser("list", help="list the agents that can be played by name")
    listing.set_defaults(run="sap_rl.cli.agents:run_list")
    _add_show(commands.add_parser("show", help="say what an agent is and what it sees"))
    _add_import(commands.add_parser("import", help="make an agent of another project's file"))
    _add_export(commands.add_parser("export", help="make an agent of a training run"))
    _add_check(
        commands.add_parser(
            "check", help="play an agent; compare with its stated score, or try what it may see"
        )
    )


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.agents:run_show")
    _add_one_agent(parser)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.agents:run_import")
    parser.add_argument("source", metavar="FILE", help="a checkpoint, or hub:owner/name")
    parser.add_argument("--game", required=True, help="the game it plays")
    loading_flags(parser)
    _add_place(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.agents:run_export")
    parser.add_argument(
        "source", type=Path, metavar="RUN", help="folder of `sap-rl train` or `harden`"
    )
    for name in ("newest", "choice_episodes"):
        add_flag(parser, EXPORT[name])
    _add_place(parser)


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="sap_rl.cli.agents:run_check")
    _add_one_agent(parser)
    parser.add_argument("--stated", help="the mean return to compare with [its card's score]")
    parser.add_argument(
        "--episodes", help="episodes to play [100; 8 of each choice where no score is stated]"
    )
    parser.add_argument("--seed", help="of these [one on which nothing was chosen]")
    parser.add_argument("--max-frames", help="cap in emulator frames [30 minutes; 4000]")
    threads_flag(parser)


def _add_one_agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help=LOADING["agent"].help)
    parser.add_argument("--game", help="the game it plays, where its file does not say")
    loading_flags(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where an agent is written, and the games behind its score."""
    folder_flag(parser, "agents' folder [agents]", Path("agents"))
    parser.add_argument("--name", help="of the agent [the game]")
    parser.add_argument("--replace", action="store_true", help="an agent of that name gives way")
    add_flag(parser, EXPORT["episodes"])
    threads_flag(parser)
