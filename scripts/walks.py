"""Trace three ways through the code and print the files that they enter.

    python scripts/walks.py

lambda: from the command line to the pixels; return: from the end of a game to the printed table;
cell: the same from a sweep's worker through the store to the page. A file is entered where one of
its functions is given the number itself, or something that holds it directly.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np

import sap_rl
from sap_rl.cli import main
from sap_rl.play import rollout

PACKAGE = Path(sap_rl.__file__).parent
LAMBDA, RETURN = 3.71875, 7919.5
"""Numbers that nothing else in a run is equal to."""
SMALL = ["--game", "BankHeist", "--lambda", str(LAMBDA), "--episodes", "1", "--max-frames", "120",
         "--defense", "none", "--no-controls", "--threads", "1", "--quiet"]  # fmt: skip
SWEEP = f"""game: [BankHeist]
lambda: [{LAMBDA}]
defense: [none]
episodes: 1
max_frames: 120
controls: false
"""


def holds(value: Any, mark: float) -> bool:
    """Whether a value is the number, spells it, or holds it directly."""
    if is_dataclass(value) and not isinstance(value, type):
        return any(is_it(part, mark) for part in vars(value).values())
    return is_it(value, mark)


def is_it(value: Any, mark: float) -> bool:
    if isinstance(value, str):
        return value == str(mark)
    row = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    if row:
        return len(value) <= 64 and any(is_it(part, mark) for part in value)
    return isinstance(value, int | float | np.number) and value == mark


@contextlib.contextmanager
def followed(mark: float, last: str = "") -> Iterator[list[str]]:
    """The files in which functions were given the number, in order, up to the one called `last`."""
    files: list[str] = []
    ended = False

    def on_call(frame: FrameType, event: str, _: Any) -> None:
        nonlocal ended
        path = Path(frame.f_code.co_filename)
        if ended or event != "call" or PACKAGE not in path.parents:
            return
        count = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        given = [frame.f_locals.get(name) for name in frame.f_code.co_varnames[:count]]
        if any(holds(value, mark) for value in given):
            name = str(path.relative_to(PACKAGE.parent))
            files.extend([name] if name not in files else [])
            ended = frame.f_code.co_name == last

    sys.setprofile(on_call)
    try:
        yield files
    finally:
        sys.setprofile(None)


def marked_return() -> Any:
    """Every game ends with the return that is followed."""
    real = rollout.Episode
    return mock.patch.object(rollout, "Episode", lambda *a, **k: replace(real(*a, **k), ret=RETURN))


def walk_lambda(_: Path) -> list[str]:
    with followed(LAMBDA, last="project") as files:
        main(["eval", *SMALL])
    return files


def walk_return(_: Path) -> list[str]:
    with marked_return(), followed(RETURN) as files:
        main(["eval", *SMALL])
    return files


def walk_cell(folder: Path) -> list[str]:
    from sap_rl.settings.options import read_yaml
    from sap_rl.settings.sweep import sweep_request
    from sap_rl.store.store import Store
    from sap_rl.sweep.experiments import plan_experiment
    from sap_rl.sweep.worker import CellPlayer

    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    store = folder / "sweep.sqlite"
    experiments = sweep_request(read_yaml(folder / "sweep.yaml"), {}).experiments
    with marked_return(), followed(RETURN) as files:
        with Store(store) as kept:
            for experiment in experiments:
                plan = plan_experiment(experiment)
                kept.put_experiment(plan.record())
                for task in plan.tasks:
                    list(CellPlayer().play(task, kept))
        main(["report", str(store), "--out", str(folder / "report.html"), "--no-film"])
    return files


WALKS: dict[str, tuple[Callable[[Path], list[str]], int]] = {
    "lambda": (walk_lambda, 12),
    "return": (walk_return, 8),
    "cell": (walk_cell, 15),
}
"""Name -> the walk, and how many files it should enter at most."""

if __name__ == "__main__":
    for name, (walk, most) in WALKS.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            files = walk(Path(folder))
        print(f"{name}: {len(files)} files, at most {most} wanted")
        print("".join(f"    {file}\n" for file in files), end="")
