"""What the commands share while they run: players, listeners, threads."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from rich.console import RenderableType

from sap_rl.agents import Agent, load_agent
from sap_rl.attacks.learned import admit_learned
from sap_rl.attacks.outside import admit
from sap_rl.cli.status import FAILED_STATUS
from sap_rl.errors import UsageError, printable, require_positive
from sap_rl.reporting.tables.evaluation import console
from sap_rl.settings.options import read_option, read_yaml
from sap_rl.settings.requests import LOADING_KEYS, EvalRequest

MAX_THREADS = 1024


class Listeners:
    """Who listens to a run: bars, TensorBoard, curves.

    One that fails, on a full disk for example, hears no more, and the games go on; `told` says at
    the end of the command what failed.
    """

    def __init__(self, *listeners: Callable[[Any], Any]) -> None:
        self.listeners = list(listeners)
        self.failures: list[str] = []

    def hear(self, events: Iterable[Any]) -> Any:
        """Tell every listener every event; returns the last."""
        event = None
        for event in events:
            for listener in list(self.listeners):
                if not self.call(listener, event):
                    self.listeners.remove(listener)
        return event

    def call(self, function: Callable[..., Any], *given: Any) -> bool:
        """Call what belongs to a listener; False where it fails."""
        try:
            function(*given)
        except Exception as error:
            name = getattr(function, "__qualname__", type(function).__name__).partition(".")[0]
            self.failures.append(f"{name} failed: {type(error).__name__}: {error}")
            return False
        return True

    def told(self, status: int) -> int:
        """The exit status, not 0 where a listener failed; says what failed."""
        for failure in self.failures:
            say(f"sap-rl: {failure}; what was played is whole", stderr=True)
        return FAILED_STATUS if self.failures and not status else status


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop` within the block, and nothing else."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def given_options(args: argparse.Namespace, known: Iterable[str]) -> dict[str, Any]:
    """What the YAML of `--config` says, and over it what the command line says of known options."""
    options = read_yaml(args.config) if args.config else {}
    return options | admitted({name: vars(args)[name] for name in known if name in args})


def admitted(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a command line; the file of its `--attack` is read, one in Python executed."""
    spelled = options.get("attack", "")
    if spelled.startswith("learned:"):
        return options | {"attack": admit_learned(spelled)}
    theirs = ".py:" in spelled or spelled.endswith(".py")
    return options | {"attack": admit(spelled)} if theirs else options


def given_loading(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `load_agent` that the command line gives, and the game."""
    given = {name: getattr(args, name, None) for name in (*LOADING_KEYS, "game")}
    return {name: read_option(name, value) for name, value in given.items() if value is not None}


def load_players(request: EvalRequest) -> tuple[Agent, Agent | None]:
    """Load the agent that plays, and the one that lends its gradient, if any."""
    agent = load_agent(request.agent, device=request.device, **request.loading)
    if request.other is None:
        return agent, None
    return agent, load_agent(request.other, device=request.device, game=request.settings.game)


def say(line: str, *, stderr: bool = False) -> None:
    """Print one line: names of files may hold brackets, line ends and controls, and be longer than
    a screen."""
    console(stderr=stderr).print(printable(line), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def printed_anyway(report: Callable[[], RenderableType]) -> Iterator[None]:
    """Print a report at the end of the block, also where a file in it cannot be written."""
    try:
        yield
    finally:
        console().print(report())


def set_threads(threads: str | None) -> None:
    """Torch's thread count from `--threads`; None leaves it."""
    if threads is not None:
        count = read_option("threads", threads)
        require_positive("threads", count)
        if count > MAX_THREADS:
            raise UsageError(f"threads must be at most {MAX_THREADS}, got {count}")
        torch.set_num_threads(count)
