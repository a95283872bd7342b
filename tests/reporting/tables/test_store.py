"""The table of a store's experiments: what is typed again is never cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sap_rl.cli import main
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.rollout import Episode
from sap_rl.reporting.tables.evaluation import console
from sap_rl.reporting.tables.store import store_list
from sap_rl.store.listing import Listed
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store

ONE = Listed(
    key="0123456789abcdef",
    game="BankHeist",
    agent="BankHeist",
    defense="sap-100",
    attack="fgsm",
    lams=(1.0,),
    seed=0,
    episodes=30,
    max_frames=18_000,
    code="core 1",
    complete=24,
    cells=24,
    read=True,
)


def test_keys_and_numbers_are_whole_where_the_screen_is_narrow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wide = replace(ONE, lams=(0.25, 1.0, 2.0, 4.0, 8.0), agent="runs/of/another/agent", read=False)
    console().print(store_list([ONE, wide]))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    assert out.count(ONE.key) == out.count("18000") == out.count("24/24") == 2
    assert "not read: another answer" in " ".join(out.split())


def test_what_other_versions_made_is_marked_old(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(store_list([ONE]))
    assert "old" not in capsys.readouterr().out
    for code in ("c0de", "core 0", "core 1, attack gone 1", "core 1, attack fgsm 2"):
        console().print(store_list([replace(ONE, code=code)]))
        assert "old: made by other versions" in capsys.readouterr().out


def test_cells_of_no_experiment_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An audit keeps cells alone."""
    played = ArmStats([Episode(0, 10.0, 5, False)])
    of_all: dict[str, Any] = {"game": "BankHeist", "seed": 3, "episodes": 2, "code": "core 1"}
    attacked = {"arm": "defended", "defense": "sap-100", "victim": "original", "attack": "pgd"}
    manifests = {
        "a1": of_all | {"arm": "random"},
        "b2": of_all | attacked | {"lambda": 0.5},
        "c3": of_all | {"arm": "original", "corruption": "shift", "severity": 4.0},
    }
    with Store(tmp_path / "audit.sqlite") as store:
        for key, manifest in manifests.items():
            store.put(CellRecord(key, manifest, ArmFacts(), played, complete=False))
    assert main(["store", "list", str(tmp_path / "audit.sqlite")]) == 0
    told, heading, *rows = capsys.readouterr().out.splitlines()[-5:]
    assert told.endswith("dropped.")
    assert heading.split() == [
        "key", "game", "player", "gradient", "attack", "level", "seed", "episodes",
    ]  # fmt: skip
    assert sorted(row.split() for row in rows) == [
        ["a1", "BankHeist", "random", "-", "-", "-", "3", "1/2"],
        ["b2", "BankHeist", "sap-100", "original", "pgd", "0.5", "3", "1/2"],
        ["c3", "BankHeist", "original", "-", "shift", "4", "3", "1/2"],
    ]
