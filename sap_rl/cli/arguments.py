"""What each command of `sap-rl` takes, and which function runs it; loads no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.parser import Parser
from sap_rl.schema import keyed
from sap_rl.settings.flags import add_flag, add_group, add_groups
from sap_rl.settings.options import (
    AUDIT_GROUPS,
    EVAL_GROUPS,
    FILM_GROUPS,
    Loading,
    Machine,
    attack_group,
    defense_group,
)
from sap_rl.sweep.settings import EngineSettings
from sap_rl.training.dqn.settings import TrainSettings
from sap_rl.training.harden.settings import HardenSettings
from sap_rl.zoo.settings import ExportSettings

LOADING = keyed(Loading)
MACHINE = keyed(Machine)
EXPORT = keyed(ExportSettings)
RESULTS = "what `sap-rl sweep` or `sap-rl eval --json` wrote"
DEFENSES_TOO = "What a defence takes is a flag too: `sap-rl defenses sap` lists it."
ATTACKS_TOO = "What attacks and defences take are flags too: `sap-rl attacks pgd` lists them."


def add_eval(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl eval`."""
    parser.set_defaults(run="sap_rl.cli.evaluate:run_eval", more=_add_attacks_and_defenses)
    parser.description = ATTACKS_TOO
    add_groups(parser, EVAL_GROUPS, "sap-rl eval --game BankHeist --lambda 4")
    _add_config(parser)
    _add_board(parser)
    _add_json(parser)
    _add_quiet(parser, "only the table")


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl audit`."""
    parser.set_defaults(run="sap_rl.cli.audit:run_audit", more=_add_defenses)
    parser.description = DEFENSES_TOO
    parser.add_argument("--agent", help="an agent's name or folder [the game's shipped agent]")
    _add_loading(parser)
    add_groups(parser, AUDIT_GROUPS, "sap-rl audit --game BankHeist", required=("game",))
    parser.add_argument("--out", type=Path, metavar="DIR", help="finished cells [runs/audit/GAME]")
    _add_device(parser)
    _add_threads(parser)
    _add_json(parser)
    _add_quiet(parser, "only the card")


def add_film(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl film`."""
    parser.set_defaults(run="sap_rl.cli.film:run_film", more=_add_attacks_and_defenses)
    parser.description = ATTACKS_TOO
    add_groups(parser, FILM_GROUPS, "sap-rl film --game BankHeist --lambda 4 --out film.mp4")
    _add_config(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".mp4 or .gif")
    _add_seconds(parser, "length")
    parser.add_argument("--episode", default=0, help="which of the seed's games [0]")
    _add_quiet(parser, "only the caption")


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl plot`."""
    parser.set_defaults(run="sap_rl.cli.plot:run_plot")
    _add_results(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="made if missing")


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl report`."""
    parser.set_defaults(run="sap_rl.cli.report:run_report")
    _add_results(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, .html")
    _add_seconds(parser, "of each film")
    parser.add_argument("--no-film", dest="film", action="store_false", help="play no games")
    _add_threads(parser)
    _add_quiet(parser)


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
    _add_board(parser)
    _add_quiet(parser, "only the tables")


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
    _add_json(parser)


def add_game(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl game`."""
    parser.set_defaults(run="sap_rl.cli.compare:run_game")
    _add_results(parser)
    _add_seed(parser, "of the bootstrap")
    _add_json(parser)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl train`."""
    parser.set_defaults(run="sap_rl.cli.train:run_train")
    parser.add_argument("--game", required=True, help="the game to learn")
    parser.add_argument(
        "--config", type=Path, help="YAML of training options [defaults: the fast recipe]"
    )
    example = "sap-rl train --game BankHeist --steps 2.5e6"
    add_groups(parser, {"training options, of YAML too": keyed(TrainSettings)}, example)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder [runs/GAME]")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    start.add_argument("--init-from", metavar="AGENT", help="go on from an agent's weights")
    _add_seed(parser)
    _add_device(parser)
    _add_threads(parser)
    _add_board(parser)
    _add_quiet(parser)


def add_harden(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl harden`."""
    parser.set_defaults(run="sap_rl.cli.harden:run_harden")
    parser.add_argument("--game", required=True, help="the game it plays")
    parser.add_argument("--agent", help="a name, file, folder or hub id [the game's agent]")
    _add_loading(parser)
    example = "sap-rl harden --game BankHeist --lambda 1 --minutes 15"
    groups = {"hardening options, of YAML too": keyed(HardenSettings)}
    add_groups(parser, groups, example, either=("minutes", "updates"))
    parser.add_argument("--config", type=Path, help="YAML of hardening options; flags win over it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run [runs/AGENT-hardened]")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    _add_seed(parser)
    _add_device(parser)
    _add_threads(parser)
    _add_board(parser)
    _add_quiet(parser)


def add_attacks(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl attacks`."""
    parser.set_defaults(run="sap_rl.cli.attacks:run_attacks")
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this attack's options")


def add_defenses(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl defenses`."""
    parser.set_defaults(run="sap_rl.cli.attacks:run_defenses")
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this defence's options")


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
    _add_loading(parser)
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
    parser.add_argument("--episodes", default="100", help="episodes to play [100]")
    parser.add_argument("--seed", help="of these [one on which nothing was chosen]")
    parser.add_argument("--max-frames", help="cap in emulator frames [30 minutes]")
    _add_threads(parser)


def _add_one_agent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="AGENT", help=LOADING["agent"].help)
    parser.add_argument("--game", help="the game it plays, where its file does not say")
    _add_loading(parser)


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where an agent is written, and the games behind its score."""
    parser.add_argument(
        "--out", type=Path, default=Path("agents"), metavar="DIR", help="agents' folder [agents]"
    )
    parser.add_argument("--name", help="of the agent [the game]")
    parser.add_argument("--replace", action="store_true", help="an agent of that name gives way")
    add_flag(parser, EXPORT["episodes"])
    _add_threads(parser)


def _add_attacks_and_defenses(parser: Parser) -> None:
    add_group(parser, "options of attacks, each with its default", attack_group())
    _add_defenses(parser)


def _add_defenses(parser: Parser) -> None:
    add_group(parser, "options of defences, each with its default", defense_group())


def _add_loading(parser: argparse.ArgumentParser) -> None:
    """The flags that say what `load_agent` may have to be told."""
    for name in ("format", "preprocess"):
        add_flag(parser, LOADING[name])


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT", help=f"{RESULTS}, one or several"
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="YAML with these options; flags win over it")


def _add_seconds(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--seconds", default=20, help=f"{what}, at half the speed of the console [20]"
    )


def _add_seed(
    parser: argparse.ArgumentParser, what: str = "everything random follows from it"
) -> None:
    parser.add_argument("--seed", default="0", help=f"{what} [0]")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default=Machine.device, help=MACHINE["device"].line)


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", help=MACHINE["threads"].line)


def _add_board(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard events")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as one object")


def _add_quiet(parser: argparse.ArgumentParser, then: str = "") -> None:
    help = f"no progress, {then}" if then else "no progress"
    parser.add_argument("--quiet", action="store_true", help=help)
