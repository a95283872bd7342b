"""What the package promises as a whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import sap_rl

HEAVY = ("stable_baselines3", "tensorboard", "matplotlib", "scipy.stats", "rich")


def test_importing_it_loads_nothing_heavy() -> None:
    code = f"import sys, sap_rl; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
