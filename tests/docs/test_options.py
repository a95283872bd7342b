"""docs/options.md shows what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sap_rl.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
SHOWN = re.findall(
    r"```sh\n(sap-rl [^\n]+)\n```\n\n```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
)
"""Each command of the page with the block below it."""


def test_the_page_shows_both_lists_and_an_entry_of_each() -> None:
    assert [command for command, _ in SHOWN] == [
        "sap-rl attacks", "sap-rl attacks apgd", "sap-rl defenses", "sap-rl defenses sap",
    ]  # fmt: skip


@pytest.mark.parametrize(("command", "table"), SHOWN)
def test_a_table_is_what_its_command_prints(
    command: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(command)[1:]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == table.splitlines()
