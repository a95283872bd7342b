"""Checkpoints and curves that somebody changed: read right, or refused in one line.

A new example is a line of a table.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sap_rl import UsageError
from sap_rl.training.curve import learning_curve
from tests.compat import runs
from tests.compat.kept import FILES

Change = Callable[[Path, dict[str, Any]], Any]
"""Of a checkpoint's folder and of what its state says, which is written afterwards."""


def replaced(name: str, make: Callable[[Path], Any]) -> Change:
    """Another file in the place of one of the checkpoint's, of the size that the state says."""

    def change(folder: Path, state: dict[str, Any]) -> None:
        (folder / name).unlink()
        make(folder / name)
        state["files"][name] = (folder / name).stat().st_size

    return change


def several_arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, kind=np.zeros(3))
    return file.getvalue()


DAMAGED: dict[str, tuple[Change, str]] = {
    "no run": (lambda _, state: state.pop("run"), "cannot be read: KeyError 'run'"),
    "a run that is none": (lambda _, state: state.update(run=[1]), "cannot be read"),
    "steps in words": (
        lambda _, state: state["progress"].update(steps="many"),
        "Expected `int`, got `str` - at `$.steps`",
    ),
    "an unknown entry": (
        lambda _, state: state["progress"].update(stops=1), "unknown field - at `$.stops`",
    ),
    "progress that is none": (lambda _, state: state.update(progress=3), "cannot be read"),
    "no settings": (lambda _, state: state["run"].pop("settings"), "does not fit"),
    "settings that are none": (
        lambda _, state: state["run"].update(settings=["steps"]), "does not fit",
    ),
    "no seed": (lambda _, state: state["run"].pop("seed"), "does not fit"),
    "a newer format": (lambda _, state: state.update(format=9), "newer than this version's 2"),
    "a format in words": (lambda _, state: state.update(format="new"), "cannot be read"),
    "files that are none": (lambda _, state: state.update(files=[]), "nothing to resume"),
    "a file elsewhere": (
        lambda _, state: state["files"].update({"/etc/shadow.safetensors": 0}), "nothing to resume",
    ),
    "a pipe": (replaced("replay-kind.npy", os.mkfifo), "is not a file"),
    "an array that is none": (
        replaced("replay-kind.npy", lambda path: path.write_bytes(b"x" * 99)), "cannot be read",
    ),
    "a header that does not end": (
        replaced("replay-kind.npy", lambda path: path.write_bytes(
            b"\x93NUMPY\x01\x00\x1c\x00{'descr': '<i8', 'shape': (\n" + b"x" * 99)),
        "is no array",
    ),
    "an empty array": (replaced("replay-kind.npy", lambda path: path.touch()), "cannot be read"),
    "several arrays": (
        replaced("replay-kind.npy", lambda path: path.write_bytes(several_arrays())),
        "is no array",
    ),
    "a shorter array": (
        replaced("replay-kind.npy", lambda path: np.save(path, np.zeros(3))), "does not fit",
    ),
    "other weights": (
        replaced("weights.safetensors", lambda path: save_file({"x": torch.zeros(3)}, path)),
        "does not fit",
    ),
    "weights that are none": (
        replaced("weights.safetensors", lambda path: path.write_bytes(b"x" * 99)), "cannot be read",
    ),
}  # fmt: skip


def unpacked(folder: Path) -> Path:
    """A run that is half done; the folder of its last checkpoint."""
    shutil.unpack_archive(FILES / "train.zip", folder)
    return folder / "checkpoints" / "000002"


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_checkpoint_is_one_line(kind: str, tmp_path: Path) -> None:
    change, words = DAMAGED[kind]
    folder = unpacked(tmp_path)
    state = json.loads((folder / "state.json").read_text())
    change(folder, state)
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(UsageError) as refusal:
        runs.train(tmp_path, resume=True)
    assert words in str(refusal.value)
    assert len(str(refusal.value)) <= 800


@pytest.mark.parametrize(
    "state", [b"", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"files": {"\\u0000": 1}}']
)
def test_a_state_that_is_none_is_no_checkpoint(state: bytes, tmp_path: Path) -> None:
    (unpacked(tmp_path) / "state.json").write_bytes(state)
    with pytest.raises(UsageError, match="nothing to resume"):
        runs.train(tmp_path, resume=True)


LINES = {
    "good": ("320,29,0.7,20,2.0,0.5,,", True),
    "count of another script": ("\u00b2,29,0.7,20,2.0,0.5,,", False),
    "mean in words": ("320,29,0.7,20,much,0.5,,", False),
    "no number": ("320,29,0.7,20,nan,0.5,,", False),
    "no updates": ("320,,0.7,20,2.0,0.5,,", False),
    "a fraction of a step": ("320.5,29,0.7,20,2.0,0.5,,", False),
    "beyond counting": ("9" * 5000 + ",29,0.7,20,2.0,0.5,,", False),
    "a value in words": ("320,29,0.7,20,2.0,0.5,eval-0,good", False),
    "too few": ("320,29", False),
    "too long": ("320,29,0.7,20,2.0,0.5," + "x" * 200_000 + ",", False),
    "not UTF-8": ("320,29,0.7,20,\udcff,0.5,,", False),
}


@pytest.mark.parametrize("kind", LINES)
def test_lines_of_a_curve_that_are_none_are_passed_over(kind: str, tmp_path: Path) -> None:
    line, read = LINES[kind]
    text = f"steps,updates,seconds,episodes,mean_return,loss,event,value\n{line}\n"
    (tmp_path / "curve.csv").write_bytes(text.encode(errors="surrogateescape"))
    assert (learning_curve(tmp_path) is not None) == read


def test_a_curve_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "curve.csv")
    with pytest.raises(UsageError, match="is not a file"):
        learning_curve(tmp_path)
