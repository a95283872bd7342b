"""What makes a stored result stale, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sap_rl import ATTACKS, DEFENSES, LOADERS, load_agent
from sap_rl.attacks.names import ATTACK_NAMES
from sap_rl.defenses.names import DEFENSE_NAMES
from sap_rl.evaluation import code_version as versions
from sap_rl.evaluation.code_version import PLAYED_BEFORE, code_version, joined, of_today, told
from sap_rl.networks.loaders.names import LOADER_NAMES
from sap_rl.store.cells import cell_key
from sap_rl.store.export import episode_rows
from sap_rl.store.store import Store
from sap_rl.sweep.engines import CellBegan
from sap_rl.sweep.experiments import MADE, CellTask, Experiment, plan_experiment
from sap_rl.sweep.run import Sweep, SweepPlanned
from tests.sweep.test_run import BANK_HEIST, SETTINGS, SHORT, HereEngine

UNIVERSAL = replace(BANK_HEIST, settings=replace(SETTINGS, attack="universal"))
HARDENED = replace(
    BANK_HEIST, settings=replace(SETTINGS, defense="agent:BankHeist-hardened+sap-100")
)


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    def set_to_two(entry: object) -> None:
        if isinstance(entry, str):
            monkeypatch.setattr(versions, entry, 2)
        else:
            monkeypatch.setitem(vars(entry), "version", 2)

    return set_to_two


@pytest.mark.parametrize("registry", [ATTACKS, DEFENSES, LOADERS])
def test_every_entry_says_its_version(registry: dict[str, object]) -> None:
    for name, entry in registry.items():
        assert isinstance(entry.version, int), name  # type: ignore[attr-defined]
        assert entry.version >= 1, name  # type: ignore[attr-defined]


def test_the_versions_of_what_takes_part_are_spelled() -> None:
    agent = load_agent("BankHeist")
    assert code_version() == "core 1"
    defended = agent.defend("sap-100", seed=0).defend("q-noise-0.1", seed=0)
    found = code_version([agent, None, defended], attacks=["fgsm"])
    assert found == (
        "core 1, loader native 1, defense sap 1, defense q-noise 1, attack fgsm 1"
    )  # fmt: skip
    assert joined([code_version(), code_version([agent]), "core 1, attack pgd 1"]) == (
        "core 1, loader native 1, attack pgd 1"
    )
    named = replace(agent, defense="agent:sap-9/runs+q-noise-1", format=None)
    assert code_version([named]) == "core 1, defense q-noise 1"


def test_what_this_code_has_not_is_old(raised: Callable[[object], None]) -> None:
    for code in ("c0de", "core 2", "core 1, attack gone 1", "core 1, loader native 0"):
        assert told(code) == f"{code} (old)"
    known = "core 1, attack fgsm 1"
    assert (told(known), told(None)) == (known, None)
    raised(ATTACKS["fgsm"])
    assert of_today(known) == "core 1, attack fgsm 2"


def names(*experiments: Experiment) -> dict[str, str]:
    tasks = [task for one in experiments for task in plan_experiment(one).tasks]
    return {t.key: f"{t.arm.title} {t.experiment.settings.attack} {t.arm.lam:g}" for t in tasks}


def test_an_addition_makes_nothing_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(BANK_HEIST, UNIVERSAL, HARDENED)
    for names_of_kind, like in (
        (ATTACK_NAMES, "none"),
        (DEFENSE_NAMES, "sap"),
        (LOADER_NAMES, "sb3"),
    ):
        monkeypatch.setitem(names_of_kind, "a-new-one", names_of_kind[like])
    assert names(BANK_HEIST, UNIVERSAL, HARDENED) == before


CLEAN = {"random fgsm 0", "original fgsm 0"}
DEFENDED = {"defended fgsm 0", "noise-control fgsm 0", "defended-original fgsm 4",
            "noise-control-original fgsm 4"}  # fmt: skip
ATTACKED = {"original fgsm 4", "defended-original fgsm 4", "noise-control-original fgsm 4"}


@pytest.mark.parametrize(
    ("entry", "stale"),
    [
        (ATTACKS["pgd"], set()),
        (LOADERS["native"], (CLEAN | DEFENDED | ATTACKED) - {"random fgsm 0"}),
        (ATTACKS["fgsm"], ATTACKED),
        (DEFENSES["sap"], DEFENDED),
        (DEFENSES["q-noise"], {name for name in DEFENDED if name.startswith("noise-control")}),
        ("CORE_VERSION", CLEAN | DEFENDED | ATTACKED),
    ],
)
def test_a_raised_version_makes_the_cells_of_that_entry_stale(
    entry: object, stale: set[str], raised: Callable[[object], None]
) -> None:
    before = names(BANK_HEIST)
    assert set(before.values()) == CLEAN | DEFENDED | ATTACKED
    raised(entry)
    after = names(BANK_HEIST)
    assert {name for key, name in before.items() if key not in after} == stale


def test_the_versions_of_whoever_plays_instead_count(raised: Callable[[object], None]) -> None:
    before = names(HARDENED)
    raised(DEFENSES["sap"])
    assert {name for key, name in before.items() if key not in names(HARDENED)} == DEFENDED


def before(task: CellTask) -> dict[str, object]:
    """A cell's facts as they were before there were versions, in the names of that time."""
    first = {"noise-control": "matched", "own": "self"}
    facts = {name: fact for name, fact in task.manifest.items() if name not in MADE}
    for name in ("arm", "victim"):
        facts |= {name: first.get(facts[name], facts[name])} if name in facts else {}
    return facts | {"code": "2fe68044e73eec53"}


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Store]:
    """A store as the code before versions left it: its keys, its manifests."""
    with Store(tmp_path / "s") as store:
        list(Sweep([SHORT], store).run(HereEngine(store)))
        restate(store, PLAYED_BEFORE)
        yield store


def restate(store: Store, code: str) -> None:
    with store.file.writing() as file:
        for table in ("cell", "experiment"):
            for key, text in file.execute(f"SELECT key, manifest FROM {table}").fetchall():
                stated = json.dumps(json.loads(text) | {"code": code})
                file.execute(f"UPDATE {table} SET manifest = ? WHERE key = ?", (stated, key))


def test_a_key_of_version_one_is_the_key_of_before() -> None:
    plan = plan_experiment(BANK_HEIST)
    matched = next(task for task in plan.tasks if task.arm.name == "noise-control")
    for task in plan.tasks:
        assert task.key == cell_key(before(task))
    assert matched.manifest["matched_to"] in {cell_key(before(task)) for task in plan.tasks}


def test_a_store_of_before_is_used_and_nothing_played(older: Store) -> None:
    planned, *rest = Sweep([SHORT], older).run(HereEngine(older))
    assert isinstance(planned, SweepPlanned)
    assert (planned.kept, planned.outdated, len(planned.tasks)) == (2, 0, 2)
    assert not any(isinstance(event, CellBegan) for event in rest)
    (listed,) = older.listed()
    assert (listed.read, listed.old, listed.code) == (True, False, "core 1, attack fgsm 1")
    assert {row["code"] for row in episode_rows(older)} == {"core 1", "core 1, attack fgsm 1"}
    (found,) = older.evaluations()
    assert found.made.code == "core 1, attack fgsm 1"


def test_a_store_of_before_is_stale_where_a_version_was_raised(
    older: Store, raised: Callable[[object], None]
) -> None:
    raised(ATTACKS["fgsm"])
    planned = Sweep([SHORT], older).plan()
    assert (planned.kept, planned.outdated, len(planned.tasks)) == (1, 1, 2)
    (listed,) = older.listed()
    assert listed.old


def test_another_fingerprint_is_old_and_never_mixed(older: Store) -> None:
    """Its cells stand under keys of their own; both answers are shown, the newer is read."""
    with older.file.writing() as file:
        for table, column in (("cell", "key"), ("episode", "cell"), ("experiment", "key")):
            file.execute(f"UPDATE {table} SET {column} = 'x' || {column}")
        for key, text in file.execute("SELECT key, manifest FROM experiment").fetchall():
            plain = json.loads(text)
            for arm in plain["arms"]:
                arm["cells"] = [f"x{cell}" for cell in arm["cells"]]
            file.execute(
                "UPDATE experiment SET manifest = ? WHERE key = ?", (json.dumps(plain), key)
            )
    restate(older, "0123456789abcdef")
    assert [(one.read, one.old) for one in older.listed()] == [(True, True)]
    planned, *rest = Sweep([SHORT], older).run(HereEngine(older))
    assert isinstance(planned, SweepPlanned)
    assert (planned.kept, planned.outdated, len(planned.tasks)) == (0, 2, 2)
    assert sum(isinstance(event, CellBegan) for event in rest) == 2
    assert [(one.read, one.old) for one in older.listed()] == [(False, True), (True, False)]
    codes = {row["code"] for row in episode_rows(older)}
    assert "0123456789abcdef (old)" in codes
    assert "core 1, loader native 1, attack fgsm 1" in codes


def test_the_norm_linf_goes_without_saying_in_keys() -> None:
    protocol = replace(BANK_HEIST.settings.protocol, norm="l2")
    other = replace(BANK_HEIST, settings=replace(BANK_HEIST.settings, protocol=protocol))
    before = names(BANK_HEIST)
    new = {name for key, name in names(other).items() if key not in before}
    assert new == {name for name in before.values() if name.endswith(" 4")}
