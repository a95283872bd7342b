"""`sap-rl agents`: list, show, import, export, check."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.agents import load_agent, read_checkpoint, shipped_agents
from sap_rl.cli.terminal import FAILED_STATUS, add_loading, given_loading, listen, set_threads
from sap_rl.errors import UsageError, require_at_least
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.reporting.live.bars import ExportBar, ProgressBar
from sap_rl.reporting.tables.checkpoints import checkpoint_report
from sap_rl.reporting.tables.evaluation import agents_table, check_report, console
from sap_rl.reporting.tables.flags import BAR
from sap_rl.settings.options import EVAL_OPTIONS, read_number, read_option, read_whole
from sap_rl.zoo.candidates import Candidate, imported
from sap_rl.zoo.publish import Export
from sap_rl.zoo.score import (
    CAPS,
    CHECK_SEED,
    check_mean,
    check_score,
    score_settings,
    stated_score,
)


def add_agents(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `sap-rl agents` and their arguments."""
    parser.set_defaults(run=run_list)
    commands = parser.add_subparsers(
        dest="agents_command", metavar="show | import | export | check"
    )
    _add_show(commands.add_parser("show", help="say what an agent is and what it sees"))
    _add_import(commands.add_parser("import", help="make an agent of another project's file"))
    _add_export(commands.add_parser("export", help="make an agent of a training run"))
    _add_check(commands.add_parser("check", help="play an agent and compare with its stated score"))


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_show)
    parser.add_argument("agent", metavar="AGENT", help=EVAL_OPTIONS["agent"].help)
    parser.add_argument("--game", help="the game it plays, where its file does not say")
    add_loading(parser)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_import)
    parser.add_argument("source", metavar="FILE", help="a checkpoint, or hub:owner/name")
    parser.add_argument("--game", required=True, help="the game it plays")
    add_loading(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("agents"), metavar="DIR", help="agents' folder [agents]"
    )
    parser.add_argument("--name", help="of the agent [the game]")
    parser.add_argument("--replace", action="store_true", help="an agent of that name gives way")
    parser.add_argument("--episodes", default="100", help="behind the measured score [100]")
    parser.add_argument("--threads", help="threads of torch and of the emulators [torch's]")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_export)
    parser.add_argument(
        "source", type=Path, metavar="RUN", help="folder of `sap-rl train` or `harden`"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("agents"), metavar="DIR", help="agents' folder [agents]"
    )
    parser.add_argument("--name", help="of the agent [the game]")
    parser.add_argument("--replace", action="store_true", help="an agent of that name gives way")
    parser.add_argument("--newest", default="5", help="latest checkpoints to choose among [5]")
    parser.add_argument("--choice-episodes", default="30", help="each of them plays [30]")
    parser.add_argument("--episodes", default="100", help="behind the stated score [100]")
    parser.add_argument("--threads", help="threads of torch and of the emulators [torch's]")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=run_check)
    parser.add_argument("agent", metavar="AGENT", help=EVAL_OPTIONS["agent"].help)
    parser.add_argument("--game", help="the game it plays, where its file does not say")
    add_loading(parser)
    parser.add_argument("--stated", help="the mean return to compare with [its card's score]")
    parser.add_argument("--episodes", default="100", help="episodes to play [100]")
    parser.add_argument("--seed", default=str(CHECK_SEED), help=f"of these [{CHECK_SEED}]")
    parser.add_argument(
        "--max-frames", default=str(max(CAPS.values())), help="cap in emulator frames [108000]"
    )
    parser.add_argument("--threads", help="threads of torch and of the emulators [torch's]")


def run_list(_args: argparse.Namespace) -> int:
    """Print the agents that can be played by name."""
    found = shipped_agents()
    if not found:
        raise UsageError("no agents found; set SAP_RL_AGENTS to a folder of agents")
    loaded = [(load_agent(str(folder)), folder) for folder in found.values()]
    console().print(agents_table(loaded))
    console().print(BAR)
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Choose a run's best checkpoint (of a hardening the last), measure it, write its folder."""
    set_threads(args.threads)
    return _export(
        args,
        args.source,
        newest=read_whole("newest", args.newest),
        choice_episodes=read_whole("choice_episodes", args.choice_episodes),
    )


def _export(args: argparse.Namespace, source: Path | Candidate, **choice: int) -> int:
    """Export under the name asked for, with a bar, and show what was made."""
    episodes = read_whole("episodes", args.episodes)
    export = Export(
        source, args.out, name=args.name, episodes=episodes, replace=args.replace, **choice
    )
    bar = ExportBar(export.total, console(stderr=True))
    with bar:
        listen(export.run(), [bar])
    console().print(agents_table([(load_agent(export.folder), export.folder)]))
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what an agent is, what it sees of the game, and what its file states."""
    checkpoint = read_checkpoint(args.agent, **given_loading(args))
    console().print(checkpoint_report(checkpoint))
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Convert a checkpoint to our format, measure it, write its folder."""
    set_threads(args.threads)
    return _export(args, imported(args.source, **given_loading(args)))


def run_check(args: argparse.Namespace) -> int:
    """Play fresh episodes; status 0 if they agree with the stated score, 1 if not."""
    set_threads(args.threads)
    agent = load_agent(args.agent, **given_loading(args))
    if agent.game is None:
        raise UsageError(f"agent '{agent.name}' does not say its game; say it with --game")
    episodes = read_whole("episodes", args.episodes)
    require_at_least("episodes", episodes, 2)
    settings = score_settings(
        agent.game,
        episodes=episodes,
        seed=read_option("seed", args.seed),
        max_frames=read_option("max_frames", args.max_frames),
        sticky_actions=agent.preprocess.sticky_actions,
    )
    bare = agent.facts.get("stated_mean") if args.stated is None else args.stated
    mean = None if bare is None else read_number("stated", bare)
    stated = None if mean is not None else stated_score(agent.facts, settings.protocol.max_frames)
    run = EvaluationRun(agent, settings)
    bar = ProgressBar(run.arms, settings.episodes, console(stderr=True))
    with bar:
        listen(run.play(), [bar])
    row = run.rows[0]
    if stated is not None:
        check = check_score(stated, row)
    else:
        assert mean is not None
        check = check_mean(agent.game, mean, row)
    console().print(check_report(agent, check, settings))
    return 0 if check.passed else FAILED_STATUS
