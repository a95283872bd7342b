"""What each command of `sap-rl` takes, and which function runs it; loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.certification.settings import CertifySettings
from sap_rl.cli.arguments.shared import (
    RESULTS,
    agent_flags,
    attack_and_defense_flags,
    board_flag,
    config_flag,
    defense_flags,
    device_flag,
    folder_flag,
    json_flag,
    quiet_flag,
    results_argument,
    seconds_flag,
    seed_flag,
    threads_flag,
)
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_flag, add_groups
from sap_rl.settings.options import AUDIT_GROUPS, EVAL_GROUPS, FILM_GROUPS
from sap_rl.sweep.settings import EngineSettings
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.harden.settings import HardenSettings

DEFENSES_TOO = "What a defence takes is a flag too: `sap-rl defenses sap` lists it."
ATTACKS_TOO = "What attacks and defences take are flags too: `sap-rl attacks pgd` lists them."


def add_eval(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl eval`."""
    parser.set_defaults(run="sap_rl.cli.evaluate:run_eval", more=attack_and_defense_flags)
    parser.description = ATTACKS_TOO
    add_groups(parser, EVAL_GROUPS, "sap-rl eval --game BankHeist --lambda 4")
    config_flag(parser)
    board_flag(parser)
    json_flag(parser)
    quiet_flag(parser, "only the table")


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl audit`."""
    parser.set_defaults(run="sap_rl.cli.audit:run_audit", more=defense_flags)
    parser.description = DEFENSES_TOO
    agent_flags(parser)
    add_groups(parser, AUDIT_GROUPS, "sap-rl audit --game BankHeist", required=("game",))
    folder_flag(parser, "finished cells [runs/audit/GAME]")
    device_flag(parser)
    threads_flag(parser)
    json_flag(parser)
    quiet_flag(parser, "only the card")


def add_certify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl certify`."""
    parser.set_defaults(run="sap_rl.cli.certify:run_certify", more=defense_flags)
    agent_flags(parser)
    example = "sap-rl certify --game BankHeist --agent BankHeist-hardened --lambda 0.5 1"
    add_groups(parser, {"the question": keyed(CertifySettings)}, example, required=("game",))
    parser.add_argument(
        "--defense", help="noise-vote-8 (any sigma) with --vote median, a vote over noise [none]"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE",
        help="draw how far frames stay certified, .pdf, .png or .svg; computes the radius",
    )  # fmt: skip
    device_flag(parser)
    threads_flag(parser)
    json_flag(parser)
    quiet_flag(parser, "only the table")


def add_film(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl film`."""
    parser.set_defaults(run="sap_rl.cli.film:run_film", more=attack_and_defense_flags)
    parser.description = ATTACKS_TOO
    add_groups(parser, FILM_GROUPS, "sap-rl film --game BankHeist --lambda 4 --out film.mp4")
    config_flag(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".mp4 or .gif")
    seconds_flag(parser, "length")
    parser.add_argument("--episode", default=0, help="which of the seed's games [0]")
    quiet_flag(parser, "only the caption")


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl plot`."""
    parser.set_defaults(run="sap_rl.cli.plot:run_plot")
    results_argument(parser)
    folder_flag(parser, "made if missing", required=True)


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl report`."""
    parser.set_defaults(run="sap_rl.cli.report:run_report")
    results_argument(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, .html")
    seconds_flag(parser, "of each film")
    parser.add_argument("--no-film", dest="film", action="store_false", help="play no games")
    threads_flag(parser)
    quiet_flag(parser)


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl sweep`."""
    parser.set_defaults(run="sap_rl.cli.sweep:run_sweep")
    unset = argparse.SUPPRESS
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML, or a shipped one's name")
    parser.add_argument(
        "--out", type=Path, metavar="STORE", help="the results' file [runs/CONFIG.sqlite]"
    )
    for option in keyed(EngineSettings).values():
        add_flag(parser, option)
    parser.add_argument(
        "--dry-run", action="store_true",
        help="print the cells and the time they would take, from a short calibration",
    )  # fmt: skip
    parser.add_argument("--episodes", default=unset, help="of each cell, instead of the file's")
    parser.add_argument("--max-frames", default=unset, help="cap, instead of the file's")
    parser.add_argument(
        "--skip-missing", dest="missing", action="store_const", const="skip", default=unset,
        help="leave out games for which there is no agent",
    )  # fmt: skip
    parser.add_argument(
        "--until-ci", metavar="WIDTH",
        help="play on, up to `episodes`, until every interval reaches at most so far from its "
        "mean: 10%% of the clean original's return, or 25 points",
    )  # fmt: skip
    board_flag(parser)
    quiet_flag(parser, "only the tables")


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `sap-rl store` and their arguments."""
    commands = parser.add_subparsers(
        dest="store_command", required=True, metavar="export | merge | list | drop"
    )
    exporting = commands.add_parser("export", help="write a row per episode, CSV or Parquet")
    exporting.set_defaults(run="sap_rl.cli.store:run_export")
    exporting.add_argument("store", type=Path, metavar="STORE")
    exporting.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="ends in .csv or .parquet"
    )
    merging = commands.add_parser("merge", help="take over what other stores have and this lacks")
    merging.set_defaults(run="sap_rl.cli.store:run_merge")
    merging.add_argument("store", type=Path, metavar="STORE", help="made if it is not there")
    merging.add_argument("others", type=Path, nargs="+", metavar="OTHER")
    listing = commands.add_parser("list", help="print a row per experiment, with its key")
    listing.set_defaults(run="sap_rl.cli.store:run_list")
    listing.add_argument("store", type=Path, metavar="STORE")
    dropping = commands.add_parser("drop", help="forget experiments; their cells stay")
    dropping.set_defaults(run="sap_rl.cli.store:run_drop")
    dropping.add_argument("store", type=Path, metavar="STORE")
    dropping.add_argument("keys", nargs="+", metavar="KEY", help="as `sap-rl store list` prints")


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl compare`."""
    parser.set_defaults(run="sap_rl.cli.compare:run_compare")
    parser.add_argument("a", type=Path, metavar="A", help=RESULTS)
    parser.add_argument("b", type=Path, metavar="B", nargs="?", help="what to compare it with")
    parser.add_argument("--paper", action="store_true", help="compare A with the paper's table")
    json_flag(parser)


def add_game(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl game`."""
    parser.set_defaults(run="sap_rl.cli.compare:run_game")
    results_argument(parser)
    seed_flag(parser, "of the bootstrap")
    json_flag(parser)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl train`."""
    parser.set_defaults(run="sap_rl.cli.train:run_train")
    parser.add_argument("--game", required=True, help="the game to learn")
    parser.add_argument(
        "--config", type=Path, help="YAML of training options [defaults: the fast recipe]"
    )
    example = "sap-rl train --game BankHeist --agent-steps 2.5e6"
    add_groups(parser, {"training options, of YAML too": keyed(TrainSettings)}, example)
    folder_flag(parser, "the run's folder [runs/GAME]")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    start.add_argument("--init-from", metavar="AGENT", help="go on from an agent's weights")
    seed_flag(parser)
    device_flag(parser)
    threads_flag(parser)
    board_flag(parser)
    quiet_flag(parser)


def add_harden(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl harden`."""
    parser.set_defaults(run="sap_rl.cli.harden:run_harden")
    parser.add_argument("--game", required=True, help="the game it plays")
    agent_flags(parser)
    example = "sap-rl harden --game BankHeist --lambda 1 --minutes 15"
    groups = {"hardening options, of YAML too": keyed(HardenSettings)}
    add_groups(parser, groups, example, either=("minutes", "updates"))
    parser.add_argument("--config", type=Path, help="YAML of hardening options; flags win over it")
    folder_flag(parser, "the run's folder [runs/AGENT-hardened]")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    seed_flag(parser)
    device_flag(parser)
    threads_flag(parser)
    board_flag(parser)
    quiet_flag(parser)


def add_attacks(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl attacks`."""
    parser.set_defaults(run="sap_rl.cli.attacks:run_attacks")
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this attack's options")


def add_corruptions(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl corruptions`."""
    parser.set_defaults(run="sap_rl.cli.attacks:run_corruptions")
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this corruption's severity")


def add_defenses(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl defenses`."""
    parser.set_defaults(run="sap_rl.cli.attacks:run_defenses")
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this defence's options")
