"""One trial: a command in this process, within bounds of time, and what came of it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sap_rl.atari import env
from sap_rl.cli import main
from sap_rl.errors import UsageError
from tests.fuzz.broken import Trial

SECONDS = 5.0
"""Of computing, after which a trial hangs."""
LONGEST_LINE = 900


class Hangs(BaseException):
    """Raised in a trial that takes too long; nothing may catch it."""


def tried(trial: Trial, seconds: float = SECONDS) -> str:
    """`played` or `refused`; anything else is an error: a traceback, a hang, an odd message."""
    out, err = io.StringIO(), io.StringIO()
    told = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with _folder(trial), _no_games(), _in_time(seconds), told[0], told[1]:
        try:
            status = main(trial.argv)
        except SystemExit as stop:  # of --help
            status = stop.code  # type: ignore[assignment]
    assert status in (0, 1, 2), status
    for shown in (out.getvalue(), err.getvalue()):
        assert all(c.isprintable() or c == "\n" for c in shown), ascii(shown)
    if status != 2:
        return "played"
    lines = [line for line in err.getvalue().splitlines() if line.startswith("sap-rl: ")]
    assert len(lines) == 1, err.getvalue()
    assert len(lines[0]) <= LONGEST_LINE, lines[0]
    return "refused"


@contextlib.contextmanager
def _folder(trial: Trial) -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name, data in trial.files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def _no_games() -> Iterator[None]:
    """Whatever would play ends in one line: what is tried here is how things are read."""

    def refuse(*_args: Any, **_options: Any) -> None:
        raise UsageError("no games are played here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(env, "AtariVectorEnv", refuse)
        yield


@contextlib.contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Hangs(f"over {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
