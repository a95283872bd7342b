"""The store gives back what was put in, whoever writes beside it and whatever goes wrong."""

from __future__ import annotations

import csv
import gc
import json
import multiprocessing
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from sap_rl import Preprocess, Protocol, UsageError
from sap_rl.attacks.schedule import Schedule
from sap_rl.compare.matrix import matrix_games
from sap_rl.compare.pairs import compare
from sap_rl.evaluation.assembly import assemble
from sap_rl.evaluation.facts import AgentFacts, Made, Origin
from sap_rl.evaluation.results import Evaluation
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_row
from sap_rl.plain import from_plain, to_plain
from sap_rl.play.arm_stats import ArmFacts, ArmStats
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.rollout import Decision, Episode, Step
from sap_rl.statistics.sequential import StoppingRule
from sap_rl.store.export import COLUMNS, export
from sap_rl.store.file import APPLICATION, FORMAT
from sap_rl.store.records import CellRecord, ExperimentRecord, experiment_from_row
from sap_rl.store.store import Store, load_evaluations

SETTINGS = Settings(
    "BankHeist", (0.5,), attack="pgd", attack_options={"steps": 3}, defense="sap-100",
    defense_options={"skip": ("2",)}, episodes=4, controls=False, victims=("own",),
    protocol=Protocol(frames="newest"),
)  # fmt: skip
PLAYERS: tuple[ArmName, ...] = ("original", "defended")
ABOUT = AgentFacts("a", "5" * 64, Preprocess(crop=(1, 2, 150, 140)), "cpu", 1)
ARMS = [
    Arm("original"),
    Arm("defended"),
    Arm("original", 0.5, "own"),
    Arm("defended", 0.5, "own"),
]
FACTS = ArmFacts("pgd", "sap-100", "mask", 10, 1, 0.01, "float32", "exact/2")


def steps(seed: int) -> list[Step]:
    rng, found = np.random.default_rng(seed), []
    for _ in range(5):
        values, flips = rng.random((4, 3)), rng.random((2, 3)) < 0.3
        decision = Decision(np.zeros(3, np.int64), *flips, *values[:2], flips[0], values[2])
        found.append(Step(np.zeros((3, 4, 84, 84), np.uint8), decision))
    return found


def arm_stats(seed: int, episodes: int = 4) -> ArmStats:
    """Counts with as many digits as floats have."""
    rng, found = np.random.default_rng(seed), ArmStats()
    for step in steps(seed):
        found.add(step)
    for index in range(episodes):
        found.add(
            Episode(index, float(rng.integers(99)) + 0.1, int(rng.integers(1, 900)), index == 2)
        )
    found.seconds = float(rng.random())
    return found


def record(number: int, episodes: int = 4) -> CellRecord:
    manifest = {"code": "c0de", "commit": None, "number": number}
    return CellRecord(f"cell{number}", manifest, FACTS, arm_stats(number, episodes), True, 0.1 / 3)


def experiment(key: str = "e", seed: int = 0, cells: str = "") -> ExperimentRecord:
    settings = json.loads(json.dumps(to_plain(replace(SETTINGS, seed=seed))))
    manifest = {
        "settings": settings, "agent": to_plain(ABOUT),
        "versions": {"python": "3"}, "code": "c0de", "commit": None, "other_sha256": None,
    }  # fmt: skip
    arms = [(arm, [f"cell{cells}{i}"]) for i, arm in enumerate(ARMS)]
    return ExperimentRecord(key, manifest, arms)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as found:
        yield found


@pytest.fixture
def filled(store: Store) -> Store:
    store.put_experiment(experiment())
    for i in range(4):
        store.put(record(i))
    return store


def wanted() -> Evaluation:
    rows = [make_row(SETTINGS, arm, FACTS, arm_stats(i)) for i, arm in enumerate(ARMS)]
    return assemble(SETTINGS, ABOUT, Made({"python": "3"}, code="c0de"), rows, arms=4)


def test_an_evaluation_comes_back_equal(filled: Store) -> None:
    assert filled.evaluations() == [wanted()]
    assert load_evaluations(filled.path) == [wanted()]
    assert load_evaluations(filled.path)[0].complete


def test_where_an_agent_was_loaded_from_and_what_played_come_back(store: Store) -> None:
    """And a record of a version that kept neither is read as it is."""
    origin = Origin("runs/a.pt", {"format": "sb3", "preprocess": {"crop": (1, 2, 150, 140)}}, "b")
    told, plain = replace(ABOUT, origin=origin), experiment()
    until = {"width": 10.0, "unit": "percent", "least": 2, "most": 9, "level": 0.95}
    extra = {"agent": to_plain(told), "commit": "abc-dirty", "until": until}
    store.put_experiment(replace(plain, manifest=plain.manifest | extra))
    (found,) = store.evaluations()
    assert found.agent.origin == origin
    rule = StoppingRule(10.0, "percent", 2, 9)
    assert found.made == Made({"python": "3"}, "abc-dirty", "c0de", rule)
    assert from_plain(AgentFacts, json.loads(json.dumps(to_plain(told)))) == told
    earlier = to_plain(ABOUT)
    del earlier["origin"]
    assert from_plain(AgentFacts, earlier) == ABOUT
    assert told.deciding() == earlier, "identities of records that are there already stay"


def test_settings_survive_json() -> None:
    assert from_plain(Settings, json.loads(json.dumps(to_plain(SETTINGS)))) == SETTINGS


def test_a_cell_comes_back_equal(store: Store) -> None:
    store.put(record(7))
    assert store.cell("cell7") == record(7)
    assert store.cell("cell8") is None


def test_jsons_are_read_beside_stores(filled: Store, tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    file.write_text(wanted().to_json())
    assert [e.to_json() for e in load_evaluations([file, filled.path])] == [wanted().to_json()] * 2


def test_a_json_and_a_store_of_the_same_games_compare_as_equal(
    filled: Store, tmp_path: Path
) -> None:
    """A crop and a list of options are lists in the one and tuples in the other."""
    file = tmp_path / "e.json"
    file.write_text(wanted().to_json())
    for a, b in ((file, filled.path), (filled.path, file), (file, file)):
        found = compare(load_evaluations(a), load_evaluations(b))
        assert [cell.identical for cell in found.cells] == [True] * 4
        assert found.only_a == found.only_b == found.notes == ()
    assert len(matrix_games(load_evaluations([file, filled.path]))) == 1


def test_an_incomplete_cell_is_an_incomplete_row(store: Store) -> None:
    store.put_experiment(experiment())
    store.put(replace(record(0), arm_stats=arm_stats(0, 2), complete=False, sigma=None))
    (found,) = store.evaluations()
    assert [(row.arm, row.episodes, row.complete) for row in found.rows] == [("original", 2, False)]
    assert not found.complete
    assert found.changes == ()


def test_blocks_of_an_arm_add_up(store: Store) -> None:
    arms = [(ARMS[0], ["cell0", "cell1"])]
    settings = replace(SETTINGS, episodes=8)
    plan = experiment()
    plan.manifest["settings"]["episodes"] = 8
    store.put_experiment(replace(plan, arms=arms))
    first, later = record(0), record(1)
    moved = [replace(e, index=e.index + 4) for e in later.arm_stats.episodes]
    later = replace(later, arm_stats=replace(later.arm_stats, episodes=moved))
    store.put(first)
    store.put(later)
    (row,) = store.evaluations()[0].rows
    assert row.episodes == 8
    assert row.complete
    assert row.flip_rate == pytest.approx(
        (first.arm_stats.flipped.total + later.arm_stats.flipped.total) / 30
    )
    assert row.linf_max == max(first.arm_stats.linf_max or 0, later.arm_stats.linf_max or 0)
    assert row.seconds == first.arm_stats.seconds + later.arm_stats.seconds
    assert settings.episodes == row.episodes


def test_a_begun_cell_is_what_was_kept_last(store: Store) -> None:
    begun = replace(record(0), arm_stats=ArmStats(), complete=False, sigma=None)
    for kept in (begun, replace(begun, arm_stats=arm_stats(0, 2), sigma=0.1 / 7), begun, record(0)):
        assert store.put(kept)
        assert store.cell("cell0") == kept


def test_a_cell_is_put_whole_whatever_an_earlier_try_left(store: Store) -> None:
    store.put(replace(record(0), arm_stats=arm_stats(5), complete=False))
    store.put(record(0, episodes=2))
    assert store.cell("cell0") == record(0, episodes=2)


def test_a_complete_cell_never_changes(store: Store) -> None:
    assert store.put(record(0))
    assert not store.put(replace(record(0), arm_stats=arm_stats(5)))
    assert not store.put(replace(record(0), arm_stats=ArmStats(), complete=False))
    assert store.cell("cell0") == record(0)


def test_a_store_with_games_frozen_by_an_earlier_version_is_read_and_added_to(
    store: Store,
) -> None:
    """It has a table more, which is left as it is."""
    with store.file.writing() as file:
        file.execute("CREATE TABLE progress (cell TEXT PRIMARY KEY, tally TEXT, snapshot BLOB)")
        file.execute("INSERT INTO progress VALUES ('cell0', '{}', x'00')")
    begun = replace(record(0), arm_stats=arm_stats(0, 2), complete=False)
    store.put(begun)
    with Store(store.path, make=False) as again:
        assert again.cell("cell0") == begun
        assert again.put(record(0))
        assert again.cell("cell0") == record(0)


def answered(store: Store, first: int, seeds: int, key: str) -> ExperimentRecord:
    """The experiment `key`, answered in full by cells whose returns follow from `seeds`."""
    for i in range(4):
        store.put(replace(record(seeds + i), key=f"cell{first}{i}"))
    return experiment(key, cells=str(first))


def means(store: Store) -> list[float | None]:
    (found,) = store.evaluations()
    return [row.mean for row in found.rows]


def mean(seed: int) -> float:
    return float(np.mean([episode.ret for episode in arm_stats(seed).episodes]))


def test_of_several_versions_of_the_code_the_latest_complete_answer_is_read(filled: Store) -> None:
    filled.put_experiment(answered(filled, 1, 20, "later"))
    assert means(filled) == [mean(20 + i) for i in range(4)]
    assert {r.key for r in filled.experiments()} == {"e", "later"}


def test_an_answer_that_was_only_begun_hides_none_that_is_complete(filled: Store) -> None:
    """As after an upgrade: everything is planned again under other keys."""
    filled.put_experiment(experiment("later", cells="1"))
    assert filled.evaluations() == load_evaluations(filled.path) == [wanted()]
    filled.put(replace(record(9), key="cell10"))
    assert filled.evaluations() == [wanted()]
    for i in range(1, 4):
        filled.put(replace(record(9 + i), key=f"cell1{i}"))
    assert means(filled) == [mean(9 + i) for i in range(4)]


def test_of_answers_that_were_only_begun_the_latest_with_an_episode_is_read(store: Store) -> None:
    for number in (1, 2, 3):
        store.put_experiment(experiment(f"e{number}", cells=str(number)))
    store.put(replace(record(1), key="cell10"))
    store.put(replace(record(2), key="cell20"))
    assert means(store) == [mean(2)]


def test_what_a_later_version_writes_besides_makes_no_other_question() -> None:
    plain = experiment()
    settings, agent = plain.manifest["settings"], plain.manifest["agent"]
    less = {k: v for k, v in settings.items() if k not in ("look_level", "schedule", "precision")}
    less["protocol"] = {"frames": "newest"}
    bare = {k: v for k, v in agent.items() if k not in ("other", "other_sha256", "threads")}
    more = agent | {"defended_sha256": agent["sha256"], "ref": "/somewhere/a.pt", "commit": "1"}
    for manifest in (
        plain.manifest | {"settings": less},
        plain.manifest | {"agent": bare},
        plain.manifest | {"agent": more, "code": "0ther", "versions": {}, "until": None},
    ):
        assert replace(plain, manifest=manifest).identity == plain.identity
    read = experiment_from_row("e", json.dumps(plain.plain()))
    assert (read.identity, read.same_answer(plain)) == (plain.identity, True)
    for manifest in (
        plain.manifest | {"settings": settings | {"precision": "bfloat16"}},
        plain.manifest | {"settings": settings | {"protocol": {"frames": "all"}}},
        plain.manifest | {"settings": settings | {"attack_options": {}}},
        plain.manifest | {"agent": agent | {"sha256": "6" * 64}},
        plain.manifest | {"agent": agent | {"defended_sha256": "6" * 64}},
        plain.manifest | {"agent": agent | {"preprocess": asdict(Preprocess())}},
        plain.manifest | {"until": {"width": 10.0, "least": 4}},
    ):
        assert replace(plain, manifest=manifest).identity != plain.identity


def test_an_answer_given_again_is_the_latest_and_others_keep_their_places(filled: Store) -> None:
    filled.put_experiment(experiment("other", seed=1, cells="1"))
    filled.put_experiment(experiment())
    assert [record.key for record in filled.experiments()] == ["e", "other"]
    filled.put_experiment(experiment("later", cells="2"))
    filled.put_experiment(experiment())
    assert [record.key for record in filled.experiments()] == ["other", "later", "e"]


def test_merging_takes_what_is_missing_and_again_nothing(filled: Store, tmp_path: Path) -> None:
    with Store(tmp_path / "all.sqlite") as whole:
        whole.put(record(0))
        assert whole.merge(filled) == 3
        assert whole.merge(filled) == 0
        assert whole.evaluations() == filled.evaluations()
        assert load_evaluations(whole.path) == [wanted()]


def test_merging_prefers_complete_cells_and_keeps_begun_ones(store: Store, tmp_path: Path) -> None:
    with Store(tmp_path / "other.sqlite") as other:
        begun = replace(record(0), arm_stats=arm_stats(0, 2), complete=False)
        store.put(begun)
        other.put(record(0))
        other.put(replace(record(1), arm_stats=arm_stats(1, 1), complete=False))
        assert store.merge(other) == 2
        assert store.merge(other) == 0
        assert store.cell("cell0") == record(0)


def blocks(count: int, key: str = "e") -> ExperimentRecord:
    """Played until intervals are narrow: so many blocks of four episodes of one arm."""
    plan = experiment(key)
    settings = plan.manifest["settings"] | {"episodes": 4 * count, "look_level": 0.9 + count / 100}
    manifest = plan.manifest | {"settings": settings, "until": {"width": 10.0, "least": 4}}
    return replace(plan, manifest=manifest, arms=[(ARMS[0], [f"cell{i}" for i in range(count)])])


def block(number: int) -> CellRecord:
    played = record(number)
    moved = [replace(e, index=e.index + 4 * number) for e in played.arm_stats.episodes]
    return replace(played, arm_stats=replace(played.arm_stats, episodes=moved))


@pytest.mark.parametrize("order", [("short", "long"), ("long", "short"), ("long", "short", "long")])
def test_merging_keeps_the_answer_with_more_blocks(order: list[str], tmp_path: Path) -> None:
    for name, count in (("short", 1), ("long", 2)):
        with Store(tmp_path / name) as store:
            store.put_experiment(blocks(count, key="later" if name == "long" else "e"))
            for number in range(count):
                store.put(block(number))
    with Store(tmp_path / "all") as whole:
        for name in order:
            with Store(tmp_path / name, make=False) as store:
                whole.merge(store)
        assert [row.episodes for row in whole.evaluations()[0].rows] == [8]
        assert whole.evaluations()[0].settings.look_level == 0.92
        assert len(whole.experiments()) == 1


def test_an_older_copy_of_the_latest_answer_does_not_make_it_older(tmp_path: Path) -> None:
    with Store(tmp_path / "copy") as copy, Store(tmp_path / "all") as whole:
        copy.put_experiment(answered(copy, 0, 0, "first"))
        whole.put_experiment(answered(whole, 1, 10, "other"))
        whole.put_experiment(answered(whole, 0, 0, "first"))
        whole.merge(copy)
        assert means(whole) == [mean(i) for i in range(4)]
        assert [found.key for found in whole.experiments()] == ["other", "first"]


def test_an_answer_with_blocks_does_not_shrink_when_it_is_asked_for_again(store: Store) -> None:
    for number in range(2):
        store.put(block(number))
    for count in (1, 2, 1):
        store.put_experiment(blocks(count))
    assert [row.episodes for row in store.evaluations()[0].rows] == [8]


@pytest.mark.parametrize("order", [("new", "old"), ("old", "new")])
def test_merged_answers_stay_in_the_order_in_which_they_were_given(
    order: list[str], tmp_path: Path
) -> None:
    for number, name in enumerate(("old", "new")):
        with Store(tmp_path / name) as store:
            store.put_experiment(answered(store, number, 10 * number, name))
    with Store(tmp_path / "all") as whole:
        for name in order:
            with Store(tmp_path / name, make=False) as store:
                whole.merge(store)
        assert means(whole) == [mean(10 + i) for i in range(4)]
        assert [found.key for found in whole.experiments()] == ["old", "new"]


def test_a_begun_cell_is_merged_and_replaced_by_the_complete_one(
    store: Store, tmp_path: Path
) -> None:
    store.put(replace(record(0), arm_stats=arm_stats(0, 2), complete=False))
    with Store(tmp_path / "all") as whole:
        assert whole.merge(store) == 1
        assert whole.cell("cell0") == store.cell("cell0")
        store.put(record(0))
        assert whole.merge(store) == 1
        assert whole.cell("cell0") == record(0)


def test_listed_and_dropped_experiments(filled: Store) -> None:
    """Dropping forgets what was asked for; asked again it is whole, without playing."""
    filled.put_experiment(experiment("later", cells="1"))
    filled.put_experiment(experiment("other", seed=3, cells="2"))
    assert [(one.key, one.seed, one.complete, one.cells, one.read) for one in filled.listed()] == [
        ("e", 0, 4, 4, True), ("later", 0, 0, 4, False), ("other", 3, 0, 4, True),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="unknown experiment 'ee'; choose from e, later, other"):
        filled.drop(["later", "ee"])
    filled.drop(["e", "other"])
    assert [one.key for one in filled.listed()] == ["later"]
    assert len(filled.cell_keys()) == 4
    filled.put_experiment(experiment())
    assert filled.evaluations() == [wanted()]


def _write(path: Path, numbers: range) -> None:
    with Store(path) as store:
        for number in numbers:
            for episodes in range(4):
                kept = arm_stats(number, episodes)
                store.put(replace(record(number), arm_stats=kept, complete=False))
            store.put(record(number))


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    fork = multiprocessing.get_context("fork")  # a spawned one would import torch first
    others = [fork.Process(target=_write, args=(path, range(a, a + 40))) for a in (0, 20)]
    for other in others:
        other.start()
    for other in others:
        other.join(120)
        assert other.exitcode == 0
    with Store(path, make=False) as store:
        assert store.cell_keys() == {f"cell{i}": True for i in range(60)}
        assert all(store.cell(f"cell{i}") == record(i) for i in range(60))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello, this is no database at all, is it?", "is no store"),
        (b"SQLite format 3\x00" + b"\xff" * 2000, "store"),
    ],
)
def test_a_file_that_is_no_store(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        Store(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_key_or_code_that_is_no_text_is_damage(filled: Store) -> None:
    """As bytes of a damaged file come out of SQLite."""
    with filled.file.writing() as file:
        for key, text in file.execute("SELECT key, manifest FROM cell").fetchall():
            said = json.dumps(json.loads(text) | {"code": {"core": 1}})
            file.execute("UPDATE cell SET manifest = ? WHERE key = ?", (said, key))
    key = next(iter(filled.cell_keys()))
    with pytest.raises(UsageError, match=f"cell {key} .*or is damaged"):
        filled.cell(key)
    with filled.file.writing() as file:
        file.execute("UPDATE experiment SET key = CAST(key AS BLOB)")
    with pytest.raises(UsageError, match="is damaged: Expected `str`, got `bytes`"):
        filled.listed()


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    """SQLite quotes a table's damaged definition in its own message, which is no UTF-8 then."""
    with Store(tmp_path / "s.sqlite"):
        pass
    whole = (tmp_path / "s.sqlite").read_bytes()
    changes = ((b"tablecellcell", b"tablec\xbbllcell"), (b"TABLE cell", b"TABLX cell"))
    for good, bad in changes:
        assert good in whole
        whole = whole.replace(good, bad)
    (tmp_path / "s.sqlite").write_bytes(whole)
    with pytest.raises(UsageError, match=r"is damaged: .*can't decode byte 0xbb"):
        Store(tmp_path / "s.sqlite", make=False)


def test_other_files_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        Store(tmp_path / "x", make=False)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_evaluations(tmp_path / "x")
    with pytest.raises(UsageError, match="is a folder"):
        Store(tmp_path)
    with pytest.raises(UsageError, match="no folder for it"):
        Store(tmp_path / "no" / "x")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(UsageError, match="but no store of sap_rl"):
        Store(tmp_path / "other")
    with Store(tmp_path / "empty") as empty, pytest.raises(UsageError, match="nothing was played"):
        load_evaluations(empty.path)


@pytest.mark.parametrize("mark", ["none", "application_id", "user_version", "empty"])
def test_a_strangers_file_is_left_as_it_was(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "browser"
    with closing(sqlite3.connect(path)) as other:
        if mark != "empty":
            other.execute("CREATE TABLE t (x)")
        other.execute("PRAGMA user_version = 7" if mark == "user_version" else "SELECT 1")
        if mark in ("application_id", "empty"):
            other.execute("PRAGMA application_id = 123")
        other.commit()
    before = path.read_bytes()
    for make in (True, False):
        with pytest.raises(UsageError, match="is an SQLite file but no store of sap_rl"):
            Store(path, make=make)
        with pytest.raises(UsageError, match="is an SQLite file but no store of sap_rl"):
            load_evaluations(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_strangers_log_is_left_as_it_was(tmp_path: Path) -> None:
    """As after a crash: closing the last connection for writing would take it into the file."""
    with closing(sqlite3.connect(tmp_path / "x")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("CREATE TABLE t (x)")
        other.commit()
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"x{end}", tmp_path / f"y{end}")
    path, log = tmp_path / "y", tmp_path / "y-wal"
    before = path.read_bytes(), log.read_bytes()
    with pytest.raises(UsageError, match="no store of sap_rl"):
        Store(path)
    gc.collect()  # closes what is still open
    assert (path.read_bytes(), log.exists() and log.read_bytes()) == before


def test_a_newer_format_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "newer"
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("CREATE TABLE other (x)")
        newer.execute(f"PRAGMA application_id = {APPLICATION}")
        newer.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = path.read_bytes()
    with pytest.raises(UsageError, match=f"has format {FORMAT + 1}, this version of sap_rl has"):
        Store(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_is_not_made_of_an_empty_file_that_is_only_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match="no store of sap_rl"):
        Store(tmp_path / "x", make=False)
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize("part", ["agent", "settings", "protocol", "preprocess", "facts", "tally"])
def test_what_a_newer_version_wrote_is_one_line(part: str, filled: Store) -> None:
    table, column = ("cell", part) if part in ("facts", "tally") else ("experiment", "manifest")
    inner = {"protocol": ("settings", "protocol"), "preprocess": ("agent", "preprocess")}
    with filled.file.writing() as file:
        key, text = file.execute(f"SELECT key, {column} FROM {table} ORDER BY key").fetchone()
        plain = json.loads(text)
        place = plain
        for name in inner.get(part, (part,) if table == "experiment" else ()):
            place = place[name]
        place["from_the_future"] = 1
        file.execute(f"UPDATE {table} SET {column} = ? WHERE key = ?", (json.dumps(plain), key))
    with pytest.raises(UsageError, match="made by another version of sap_rl") as caught:
        load_evaluations(filled.path)
    assert f"{table} {key}" in str(caught.value)
    assert "code c0de (old); this is" in str(caught.value)
    assert "from_the_future" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_format_is_refused_and_left_alone(filled: Store) -> None:
    filled.file.connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(UsageError, match=f"has format {FORMAT + 1}, this version of sap_rl has"):
        Store(filled.path)
    filled.file.connection.execute(f"PRAGMA user_version = {FORMAT}")
    assert filled.evaluations() == [wanted()]


def test_a_locked_store_is_one_line_and_nothing_is_lost(filled: Store) -> None:
    other = Store(filled.path)
    other.file.connection.execute("PRAGMA busy_timeout = 50")
    other.file.patience = 0.05
    with filled.file.writing():
        assert other.evaluations() == [wanted()], "readers never wait for a writer"
        with pytest.raises(UsageError, match=r"was locked by another process for 0\.05 s"):
            other.put(record(8))
    assert other.put(record(8))
    other.file.close()


def test_no_space_left_is_one_line_and_what_is_there_stays(filled: Store) -> None:
    (pages,) = filled.file.connection.execute("PRAGMA page_count").fetchone()
    filled.file.connection.execute(f"PRAGMA max_page_count = {pages}")
    manifest = {"code": "x" * 200_000}
    with pytest.raises(UsageError, match="no space left on the disk; what was written is kept"):
        filled.put(replace(record(8), manifest=manifest, complete=False))
    assert filled.evaluations() == [wanted()]
    filled.file.connection.execute("PRAGMA max_page_count = 100000")
    assert filled.put(record(8))


def test_a_store_that_nobody_may_write_to_is_read(filled: Store, tmp_path: Path) -> None:
    filled.file.close()
    filled.path.chmod(0o444)
    assert load_evaluations(filled.path) == [wanted()]


def test_export_to_csv_and_parquet(filled: Store, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert export(filled, tmp_path / "x.csv") == 16
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    returns = [episode.ret for i in range(4) for episode in arm_stats(i).episodes]
    assert [float(row["return"]) for row in rows] == returns
    assert [row["truncated"] for row in rows[:4]] == ["False", "False", "True", "False"]
    assert export(filled, tmp_path / "x.parquet") == 16
    table = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    assert [row["return"] for row in table] == returns
    assert [(row["arm"], row["lambda"], row["victim"]) for row in table[::4]] == [
        ("original", 0.0, None), ("defended", 0.0, None), ("original", 0.5, "own"),
        ("defended", 0.5, "own"),
    ]  # fmt: skip
    assert table[0]["sampler"] == "exact/2"


def test_cells_without_a_commit_are_exported(filled: Store, tmp_path: Path) -> None:
    with filled.file.writing() as file:
        for key, text in file.execute("SELECT key, manifest FROM cell").fetchall():
            said = {k: v for k, v in json.loads(text).items() if k not in ("code", "commit")}
            file.execute("UPDATE cell SET manifest = ? WHERE key = ?", (json.dumps(said), key))
    assert export(filled, tmp_path / "x.csv") == 16


def test_exported_rows_say_what_made_them_different(store: Store, tmp_path: Path) -> None:
    """Two attacks that differ in their steps alone, and a defended agent with another's file."""
    for number, steps in enumerate((3, 40)):
        plan = experiment(f"e{number}", cells=str(number))
        settings = plan.manifest["settings"] | {
            "attack_options": {"steps": steps}, "schedule": asdict(Schedule("rate", 0.25)),
            "attack_backward": "full",
        }  # fmt: skip
        agent = plan.manifest["agent"] | {"defended_sha256": "d" * 64}
        store.put_experiment(
            replace(plan, manifest=plan.manifest | {"settings": settings, "agent": agent})
        )
        for i in range(4):
            made = replace(record(i), key=f"cell{number}{i}")
            facts = {"num_envs": 2, "first": 0, "packages": {"torch": "2.8"}}
            store.put(replace(made, manifest=made.manifest | facts))
    export(store, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 32
    attacked = [row for row in rows if row["victim"] and row["arm"] == "defended"]
    assert [row["attack_options"] for row in attacked] == ['{"steps": 3}'] * 4 + [
        '{"steps": 40}'
    ] * 4
    wanted_facts = {
        "schedule": '{"level": 0.25, "temperature": 1.0, "when": "rate"}',
        "attack_backward": "full", "experiment_defense": "sap-100",
        "defense_options": '{"skip": ["2"]}', "frames": "newest", "observation": "float",
        "max_frames": "18000", "noop_max": "30", "sticky_actions": "0.0", "num_envs": "2",
        "first_episode": "0", "device": "cpu", "defended_sha256": "d" * 64, "other": "",
        "other_sha256": "", "until": "", "packages": '{"torch": "2.8"}',
    }  # fmt: skip
    assert {name: attacked[0][name] for name in wanted_facts} == wanted_facts
    assert json.loads(attacked[0]["preprocess"])["crop"] == [1, 2, 150, 140]
    clean = next(row for row in rows if row["arm"] == "original" and not row["victim"])
    empty = ("attack_options", "schedule", "frames", "experiment_defense", "defended_sha256")
    assert {clean[name] for name in empty} == {""}
    parquet = pytest.importorskip("pyarrow.parquet")
    export(store, tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    assert [("" if v is None else str(v)) for v in table[5].values()] == list(rows[5].values())


def test_exports_that_cannot_be(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"unknown suffix '\.cvs'; choose from \.csv"):
        export(filled, tmp_path / "x.cvs")
    with pytest.raises(UsageError, match="cannot write"):
        export(filled, tmp_path / "no" / "x.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"Parquet needs: pip install 'sap-rl\[parquet\]'"):
        export(filled, tmp_path / "x.parquet")
    filled.file.connection.execute("DELETE FROM cell")
    with pytest.raises(
        UsageError, match=r"s.sqlite' holds no episode of an experiment, so .*x\.csv"
    ):
        export(filled, tmp_path / "x.csv")
    assert sorted(p.suffix for p in tmp_path.iterdir() if p.suffix in (".csv", ".parquet")) == []


def test_counts_add_up_as_if_counted_in_one_go() -> None:
    a, b = arm_stats(1), arm_stats(2)
    both = ArmStats()
    for step in (*steps(1), *steps(2)):
        both.add(step)
    found = a + b
    for name, value in to_plain(both).items():
        if name not in ("seconds", "episodes"):
            assert to_plain(found)[name] == pytest.approx(value), name
