"""The command `sap-rl` reads arguments, attaches listeners and prints what comes out."""

from __future__ import annotations

import sys

from sap_rl import __version__
from sap_rl.cli.agents import add_agents
from sap_rl.cli.attacks import add_attacks, add_defenses
from sap_rl.cli.audit import add_audit
from sap_rl.cli.compare import add_compare, add_game
from sap_rl.cli.evaluate import add_eval
from sap_rl.cli.film import add_film
from sap_rl.cli.harden import add_harden
from sap_rl.cli.plot import add_plot
from sap_rl.cli.report import add_report
from sap_rl.cli.store import add_store
from sap_rl.cli.sweep import add_sweep
from sap_rl.cli.terminal import INTERRUPTED_STATUS, USAGE_STATUS, Parser
from sap_rl.cli.train import add_train
from sap_rl.errors import UsageError

COMMANDS = {
    "eval": (add_eval, "play an agent under attack and report returns"),
    "audit": (add_audit, "attack an agent with a whole suite and report the worst case"),
    "film": (add_film, "film an agent's games under attack, without and with a defence"),
    "plot": (add_plot, "draw results as PDF and PNG for a paper"),
    "report": (add_report, "write one self-contained page about results"),
    "sweep": (add_sweep, "play many evaluations into a store; goes on where it was interrupted"),
    "store": (add_store, "list, export, merge stores of sweeps; drop experiments"),
    "compare": (add_compare, "which cells of two evaluations, or of one and the paper, differ"),
    "game": (add_game, "the best mixtures of defences and of attacks"),
    "train": (add_train, "train a Double-DQN agent"),
    "harden": (add_harden, "make an agent robust by adversarial distillation from itself"),
    "attacks": (add_attacks, "list the attacks; print one's options"),
    "defenses": (add_defenses, "list the defences; print one's options"),
    "agents": (
        add_agents,
        "list the agents that can be played by name; show, import, export, check",
    ),
}


def main(argv: list[str] | None = None) -> int:
    """Run `sap-rl`; returns the exit status.

    0, 1 where a check failed or a comparison found a difference, 2 for bad input, 130 for Ctrl-C.
    """
    try:
        args = _parser().parse_all(argv)
        args.argv = sys.argv[1:] if argv is None else argv
        status: int = args.run(args)
        return status
    except UsageError as error:
        print(f"sap-rl: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return USAGE_STATUS
    except KeyboardInterrupt:
        print("sap-rl: interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED_STATUS


def _parser() -> Parser:
    parser = Parser(prog="sap-rl", description="Attack, defend and judge Atari agents.")
    parser.add_argument("--version", action="version", version=f"sap-rl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar=" | ".join(COMMANDS))
    for name, (add, text) in COMMANDS.items():
        add(commands.add_parser(name, help=text))
    return parser
