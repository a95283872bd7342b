"""`sap-rl agents`: list, show, import, export, check."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.agents import Agent, load_agent, read_checkpoint, shipped_agents
from sap_rl.cli.status import FAILED_STATUS
from sap_rl.cli.terminal import Listeners, given_loading, say, set_threads
from sap_rl.errors import UsageError, require_at_least, require_positive
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.reporting.live.bars import ExportBar, ProgressBar
from sap_rl.reporting.tables.checkpoints import checkpoint_report
from sap_rl.reporting.tables.evaluation import agents_table, check_report, console
from sap_rl.reporting.tables.flags import BAR
from sap_rl.reporting.tables.verdict import verdict_report
from sap_rl.settings.flags import said
from sap_rl.settings.options import read_number, read_option
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
from sap_rl.zoo.settings import ExportSettings
from sap_rl.zoo.verdict import Verdict, judge

STATED_EPISODES = 100
"""Games on which a stated score is checked, unless another number is said."""


def run_list(_args: argparse.Namespace) -> int:
    """Print the agents that can be played by name."""
    found = shipped_agents()
    if not found:
        raise UsageError("no agents found; set SAP_RL_AGENTS to a folder of agents")
    loaded, broken = [], []
    for folder in found.values():
        try:
            loaded.append((load_agent(folder), folder))
        except UsageError as error:  # the others are listed all the same
            broken.append(error)
    console().print(agents_table(loaded))
    for reason in broken:
        say(f"sap-rl: {reason}", stderr=True)
    console().print(BAR)
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Choose a run's best checkpoint (of a hardening the last), measure it, write its folder."""
    set_threads(args.threads)
    return _export(args, args.source)


def _export(args: argparse.Namespace, source: Path | Candidate) -> int:
    """Export under the name asked for, with a bar, and show what was made."""
    options = said(args, ExportSettings)
    export = Export(source, args.out_dir, name=args.name, replace=args.replace, **options)
    bar = ExportBar(export.total, console(stderr=True))
    listeners = Listeners(bar)
    with bar:
        listeners.hear(export.run())
    console().print(agents_table([(load_agent(export.folder), export.folder)]))
    return listeners.told(0)


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
    bare = agent.facts.get("stated_mean") if args.stated is None else args.stated
    mean = None if bare is None else read_number("stated", bare)
    names = ("episodes", "max_frames", "seed")
    rules = {n: read_option(n, v) for n in names if (v := getattr(args, n)) is not None}
    require_at_least("episodes", rules.get("episodes", 2), 2)
    require_positive("max_frames", rules.get("max_frames", 1))
    if mean is None and not agent.facts.get("score"):
        return _judge(agent, agent.game, rules)
    usual = {"episodes": STATED_EPISODES, "max_frames": max(CAPS.values()), "seed": CHECK_SEED}
    settings = score_settings(
        agent.game, sticky_actions=agent.preprocess.sticky_actions, **(usual | rules)
    )
    stated = None if mean is not None else stated_score(agent.facts, settings.protocol.max_frames)
    run = EvaluationRun(agent, settings)
    bar = ProgressBar(run.arms, settings.episodes, console(stderr=True))
    listeners = Listeners(bar)
    with bar:
        listeners.hear(run.play())
    row = run.rows[0]
    if stated is not None:
        check = check_score(stated, row)
    else:
        assert mean is not None
        check = check_mean(agent.game, mean, row)
    console().print(check_report(agent, check, settings))
    return listeners.told(0 if check.passed else FAILED_STATUS)


def _judge(agent: Agent, game: str, rules: dict[str, int]) -> int:
    """Of what no score is known: how it plays under each choice; status 0 if best as given."""
    found: Verdict | None = None
    for event in judge(agent, game, **rules):
        if isinstance(event, Verdict):
            found = event
        else:
            say(f"{event.said}: return {event.mean:.1f}", stderr=True)
    assert found is not None
    console().print(verdict_report(agent, game, found))
    return 0 if found.plays and found.best.sees == agent.preprocess else FAILED_STATUS
