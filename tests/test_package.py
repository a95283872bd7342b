"""What the package promises as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sap_rl
from sap_rl.cli import COMMANDS

HEAVY = ("stable_baselines3", "tensorboard", "matplotlib", "scipy.stats", "rich")
"""What only some commands need; torch, scipy and the emulator wait until one of them runs."""


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Which modules are loaded after the code has run."""
    code += f"; import sys; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[str] = ast.literal_eval(done.stdout.splitlines()[-1])
    return found


def test_using_it_loads_nothing_heavy() -> None:
    assert loaded("from sap_rl import *", HEAVY) == []


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["evil"], *([c, "--help"] for c in COMMANDS)], ids=" ".join
)
def test_help_loads_no_torch(words: list[str]) -> None:
    code = (
        f"import contextlib\nfrom sap_rl.cli import main\nwith contextlib.suppress(SystemExit): "
        f"main({words})\nsys = None"
    )
    assert loaded(code, (*HEAVY, "torch", "scipy", "ale_py", "gymnasium")) == []


def test_public_names_are_found_where_they_stand() -> None:
    assert set(sap_rl.__all__) <= set(dir(sap_rl))
    assert sap_rl.wrappers.AdversarialObservation is sap_rl.AdversarialObservation
    with pytest.raises(AttributeError, match="has no attribute 'evalute'"):
        sap_rl.evalute  # noqa: B018


def test_every_public_name_is_there_and_documented() -> None:
    for name in sap_rl.__all__:
        found = getattr(sap_rl, name)
        assert isinstance(found, dict) or found.__doc__, name


def test_the_readme_holds_the_two_commands() -> None:
    text = Path("README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^python3 -m venv", text, flags=re.MULTILINE)) == 2
    assert "sap-rl eval --game BankHeist --lambda 4" in text
    assert "ale-py" in text
    assert "GPL-2.0" in text
    assert len(text.split("\n")) <= 200


def test_missing_extra_is_one_clear_line() -> None:
    """As if tensorboard were not installed."""
    code = (
        "import sys; sys.modules['torch.utils.tensorboard.writer'] = None\n"
        "from sap_rl.cli import main\n"
        "sys.exit(main('eval --game BankHeist --lambda 4 --tensorboard x'.split()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/tmp"
    )
    assert done.returncode == 2
    assert "pip install 'sap-rl[tensorboard]'" in done.stderr
    assert done.stderr.count("\n") == 1
