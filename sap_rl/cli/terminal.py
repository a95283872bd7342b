"""What the commands share: arguments, listeners, threads."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import torch

from sap_rl.config import read_option
from sap_rl.errors import UsageError, require_positive

MAX_THREADS = 1024
FAILED_STATUS = 1
USAGE_STATUS = 2
INTERRUPTED_STATUS = 130


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def listen(events: Iterable[Any], listeners: list[Callable[[Any], Any]]) -> Any:
    """Tell every listener every event; returns the last."""
    event = None
    for event in events:
        for listener in listeners:
            listener(event)
    return event


def set_threads(threads: str | None) -> None:
    """Torch's thread count from `--threads`; None leaves it."""
    if threads is not None:
        count = read_option("threads", threads)
        require_positive("threads", count)
        if count > MAX_THREADS:
            raise UsageError(f"threads must be at most {MAX_THREADS}, got {count}")
        torch.set_num_threads(count)
