"""An attack, a frame defence and a checkpoint format are each one file and one line.

The three files stand in `tests/added/`; the three lines are in `tests/added/lines.py`, which is
loaded before anything else of a fresh process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ADDED = Path(__file__).resolve().parent / "added"


def run(*command: str) -> str:
    """What a fresh process prints that knows the additions."""
    path = os.pathsep.join((str(ADDED), str(ROOT), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def played() -> dict[str, Any]:
    """What `tests/added/play.py` found, doing everything once."""
    return dict(json.loads(run(str(ADDED / "play.py")).splitlines()[-1]))


def test_the_attacks_options_work_everywhere_alike() -> None:
    """Its two options in Python, YAML and on the command line; and they matter."""
    found = played()["attack"]
    assert found["options"] == {"width": 3, "light": False}
    assert found["yaml"] == found["command"] == found["python"]
    assert found["defaults"] != found["python"]
    assert found["unknown"] == "attack 'rings' has no option 'steps'; it takes: light, width"


def test_the_attack_and_the_defence_print_their_options() -> None:
    found = played()["printed"]
    assert "width" in found["attack"]
    assert "of a ring" in found["attack"]
    assert "pixels" in found["attack"]
    assert "rings" in found["attacks"]
    assert "bits-BITS" in found["defenses"]
    assert "gradient of the rounding" in found["defense"]


def test_the_frame_defence_plays() -> None:
    """Frames of 256 greys keep all 8 bits: clean play is the original's to the last point, and so
    are frames under attack that arrive as whole numbers. At 1 bit play is another."""
    found = played()["defense"]
    assert found["8"]["defended"] == found["8"]["original"]
    assert found["1"]["defended"] != found["1"]["original"]
    assert found["command"] == found["8"]
    assert found["backward"] == "full"
    assert found["refused"].startswith("unknown backward mode of bits-8 'mask'; choose from full")


def test_both_stand_in_the_audit() -> None:
    found = played()["audit"]
    assert "rings width=3" in found["titles"]
    assert "pgd margin identity" in found["titles"]
    assert "pgd margin mask" not in found["titles"], "the defence has no such mode"
    assert "rings" in found["report"]


def test_the_format_is_recognised_and_said() -> None:
    found = played()["format"]
    assert found["recognised"] == found["said"] == found["values"]
    assert "added" in found["shown"]


def test_the_contracts_pick_them_up() -> None:
    told = run(
        "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "under_pytest", "-rA",
        "tests/attacks/test_contract.py", "tests/defenses/test_contract.py", "-k",
        "rings or bits",
    )  # fmt: skip
    assert "test_through_an_adversary[rings-" in told
    assert "test_it_asks_for_what_it_says[rings]" in told
    assert "test_its_traits_are_true[bits]" in told
