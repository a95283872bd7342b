"""Shipped configurations are found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sap_rl.errors import UsageError
from sap_rl.settings.options import read_yaml
from sap_rl.settings.shipped import find_config, shipped_configs

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("name", ["paper_table", "harden/quick"])
def test_a_name_is_the_shipped_file(name: str) -> None:
    assert find_config(Path(name)) == CONFIGS / f"{name}.yaml"
    assert read_yaml(Path(name)) == read_yaml(CONFIGS / f"{name}.yaml")


def test_every_shipped_file_has_a_name() -> None:
    assert set(shipped_configs().values()) == set(CONFIGS.rglob("*.yaml"))


def test_a_file_that_is_there_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("paper_table").write_text("game: Pong")
    assert read_yaml(Path("paper_table")) == {"game": "Pong"}


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown config 'paper_tabel'; choose from paper_table"):
        read_yaml(Path("paper_tabel"))
