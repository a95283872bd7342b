"""Sweeps: what they give, what they leave out, and what survives whose death."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sap_rl import Evaluation, Protocol, UsageError, load_agent
from sap_rl.agents import find_agent
from sap_rl.evaluation.facts import Origin
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.play.arm_stats import ArmStats
from sap_rl.play.arms import CALIBRATES
from sap_rl.play.rollout import Episode
from sap_rl.reporting.live.sweep import planned_line
from sap_rl.store.records import CellRecord
from sap_rl.store.store import Store, load_evaluations
from sap_rl.sweep import experiments
from sap_rl.sweep import worker as cell_play
from sap_rl.sweep.engines import CellBegan, CellDone, Draw, EngineEvent, WorkerLost
from sap_rl.sweep.engines.local import LocalEngine
from sap_rl.sweep.experiments import Experiment, plan_experiment
from sap_rl.sweep.run import CellEnded, ExperimentEnded, Sweep, SweepPlanned
from sap_rl.sweep.worker import CellPlayer, CellProgress

SETTINGS = Settings(
    "BankHeist", (4.0,), defense="sap-100", episodes=3, num_envs=2, victims=("original",),
    protocol=Protocol(max_frames=60, grad_samples=1),
)  # fmt: skip
BANK_HEIST = Experiment("BankHeist", SETTINGS)


class HereEngine:
    """Plays cells in this process, one after the other; stops after so many."""

    def __init__(self, store: Store, most: int = 1000) -> None:
        self.store, self.left, self.player = store, most, CellPlayer()

    def run(self, draw: Draw) -> Iterator[EngineEvent]:
        try:
            while self.left and (task := draw()) is not None:
                self.left -= 1
                yield CellBegan(task)
                for event in self.player.play(task, self.store):
                    yield event if isinstance(event, CellProgress) else CellDone(task, event)
        finally:
            self.player.close()


def untimed(evaluation: Evaluation) -> Evaluation:
    """Without what the clock says, which differs from run to run."""
    rows = tuple(replace(row, seconds=0.0, steps_per_second=0.0) for row in evaluation.rows)
    return replace(evaluation, rows=rows)


@pytest.fixture(scope="module")
def staged() -> Evaluation:
    """What an evaluation of the same settings gives, played in one go."""
    run = EvaluationRun(load_agent("BankHeist"), SETTINGS, origin=Origin("BankHeist"))
    for _ in run.play():
        pass
    return untimed(run.result())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the sweep is complete, in three sessions."""
    path = tmp_path_factory.mktemp("sweep") / "s.sqlite"
    for most in (2, 1, 1000):
        with Store(path) as store:
            list(Sweep([BANK_HEIST], store).run(HereEngine(store, most)))
    return path


def test_a_sweep_in_three_sessions_is_the_evaluation(done: Path, staged: Evaluation) -> None:
    (found,) = load_evaluations(done)
    assert untimed(found) == staged
    assert found.complete
    matched = found.row("noise-control")
    assert matched is not None
    assert matched.defense is not None
    assert matched.defense.startswith("q-noise-0.")


def test_what_is_there_is_told_and_not_played_again(done: Path) -> None:
    with Store(done) as store:
        events = list(Sweep([BANK_HEIST], store).run(HereEngine(store, 0)))
    assert isinstance(events[0], SweepPlanned)
    assert (len(events[0].tasks), events[0].kept, events[0].outdated) == (7, 7, 0)
    cells = [event for event in events if isinstance(event, CellEnded)]
    assert [cell.kept for cell in cells] == [True] * 7
    assert isinstance(events[-1], ExperimentEnded)
    assert events[-1].evaluation.complete


def test_experiments_share_the_arms_that_they_have_in_common() -> None:
    other = replace(BANK_HEIST, settings=replace(SETTINGS, defense="q-noise-0.1"))
    first, second = plan_experiment(BANK_HEIST), plan_experiment(other)
    shared = {t.key for t in first.tasks} & {t.key for t in second.tasks}
    titles = [task.title for task in first.tasks if task.key in shared]
    assert titles == [
        "BankHeist random",
        "BankHeist original",
        "BankHeist original, fgsm at lambda 4",
    ]


def test_where_the_agent_lies_is_recorded_and_decides_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "BankHeist"
    shutil.copytree(find_agent("BankHeist"), folder)
    moved = plan_experiment(replace(BANK_HEIST, agent=str(folder))).record()
    record = plan_experiment(BANK_HEIST).record()
    assert (moved.key, moved.identity) == (record.key, record.identity)
    assert moved.manifest["agent"]["origin"]["agent"] == str(folder)


def test_every_episode_is_told_while_a_cell_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those too that end after the last of the regular reports."""
    monkeypatch.setattr(cell_play, "TELL_EVERY", 1e9)
    task = next(task for task in plan_experiment(BANK_HEIST).tasks if task.arm.name == "random")
    player = CellPlayer()
    with Store(tmp_path / "s.sqlite") as store:
        told = list(player.play(task, store))
    player.close()
    indices = [e.index for event in told if isinstance(event, CellProgress) for e in event.ended]
    assert sorted(indices) == [0, 1, 2]


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """The sweep's cells by key: an arm, and its lambda."""
    tasks = plan_experiment(BANK_HEIST).tasks
    return {t.key: t.arm.name + (f" {t.arm.lam:g}" if t.arm.lam else "") for t in tasks}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": 1}, []),
        ({"episodes": 4}, []),
        ({"num_envs": 3}, []),
        ({"precision": "bfloat16"}, ["random"]),
        ({"attack": "pgd"}, ["random", "original", "defended", "noise-control"]),
        ({"defense_options": {"sampler": "bernoulli"}}, ["random", "original", "original 4"]),
        ({"attack_backward": "identity"}, ["random", "original", "defended", "noise-control"]),
        ({"protocol": Protocol(max_frames=60, grad_samples=2)}, ["random", "original", "defended",
                                                               "noise-control"]),
        ({"protocol": Protocol(max_frames=61, grad_samples=1)}, []),
        ({"lams": (2.0, 4.0)}, ["random", "original", "defended", "noise-control", "original 4",
                                "defended 4", "noise-control 4"]),
    ],
)  # fmt: skip
def test_a_cells_key_depends_on_what_determines_it_and_on_nothing_else(
    change: dict[str, Any], same: list[str], names: dict[str, str]
) -> None:
    theirs = plan_experiment(replace(BANK_HEIST, settings=replace(SETTINGS, **change))).tasks
    keys = {task.key for task in theirs}
    assert [name for key, name in names.items() if key in keys] == same


def test_a_cell_of_several_blocks_is_none_of_an_earlier_versions() -> None:
    """Whose draws went on from one game to the next; the random policy has none to go on."""
    manifests = {t.arm: t.manifest for t in plan_experiment(BANK_HEIST).tasks}
    assert {arm.name for arm, made in manifests.items() if "blocks" not in made} == {"random"}
    one = replace(BANK_HEIST, settings=replace(SETTINGS, num_envs=3))
    assert not any("blocks" in task.manifest for task in plan_experiment(one).tasks)


def test_a_cell_goes_on_after_its_whole_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three games are a block; what an earlier version left is no block."""
    monkeypatch.setattr(cell_play, "TELL_EVERY", 0.0)
    task = next(task for task in plan_experiment(BANK_HEIST).tasks if task.arm == CALIBRATES)
    player = CellPlayer()
    with Store(tmp_path / "whole") as whole, Store(tmp_path / "s") as store:
        *_, uninterrupted = player.play(task, whole)
        events = player.play(task, store)
        while len(kept_of(store, task.key)) < 2:
            next(events)
        events.close()
        begun = store.cell(task.key)
        assert begun is not None
        assert not begun.complete
        for known, left in ((begun, [2]), (replace(begun, arm_stats=ArmStats(
            begun.arm_stats.episodes, steps=7)), [0, 1, 2])):  # fmt: skip
            with Store(tmp_path / f"{len(left)}") as again:
                again.put(known)
                *told, found = player.play(task, again)
                ended = [e.index for t in told for e in t.ended]  # type: ignore[union-attr]
                assert sorted(ended) == left
                assert isinstance(found, CellRecord)
                stats = replace(found.arm_stats, seconds=uninterrupted.arm_stats.seconds)  # type: ignore[union-attr]
                assert replace(found, arm_stats=stats) == uninterrupted
    player.close()


def kept_of(store: Store, key: str) -> list[Episode]:
    found = store.cell(key)
    return [] if found is None else found.arm_stats.episodes


SHORT = replace(BANK_HEIST, settings=replace(SETTINGS, defense=None, controls=False, episodes=1))


def test_cells_of_other_code_are_told_kept_and_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = [SHORT]
    with Store(tmp_path / "s") as store:
        list(Sweep(sweep, store).run(HereEngine(store)))
        monkeypatch.setattr("sap_rl.evaluation.code_version.CORE_VERSION", 2)
        planned, *_ = events = list(Sweep(sweep, store).run(HereEngine(store)))
        assert isinstance(planned, SweepPlanned)
        assert (planned.kept, planned.outdated, len(planned.tasks)) == (0, 2, 2)
        assert "2 of other code or packages are not used" in planned_line(planned)
        assert sum(isinstance(event, CellBegan) for event in events) == 2
        assert len(store.cell_keys()) == 4
        assert len(store.evaluations()) == 1, "the latest answer alone"


def test_cells_of_another_torch_are_told_and_read_until_the_new_ones_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = [SHORT]
    with Store(tmp_path / "s") as store:
        list(Sweep(sweep, store).run(HereEngine(store)))
        before = store.evaluations()
        newer = experiments.versions() | {"torch": "99.0"}
        monkeypatch.setattr("sap_rl.sweep.experiments.versions", lambda: newer)
        experiments.made.cache_clear()
        try:
            planned, *_ = Sweep(sweep, store).run(HereEngine(store, 1))
            assert isinstance(planned, SweepPlanned)
            assert (planned.kept, planned.outdated, len(planned.tasks)) == (0, 2, 2)
            assert store.evaluations() == load_evaluations(store.path) == before
            list(Sweep(sweep, store).run(HereEngine(store)))
            (found,) = store.evaluations()
            assert found.made.versions["torch"] == "99.0"
            assert Sweep(sweep, store).plan().outdated == 2
        finally:
            experiments.made.cache_clear()


def test_a_worker_of_other_code_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = plan_experiment(BANK_HEIST).tasks[0]
    monkeypatch.setattr("sap_rl.evaluation.code_version.CORE_VERSION", 2)
    with Store(tmp_path / "s") as store, pytest.raises(UsageError, match="install the same"):
        list(CellPlayer().play(task, store))


def test_an_agent_that_changes_in_the_middle_is_refused_and_nothing_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s") as store:
        sweep = Sweep([BANK_HEIST], store)
        real = load_agent("BankHeist")
        engine = HereEngine(store)
        events = sweep.run(engine)
        next(event for event in events if isinstance(event, CellEnded))
        engine.player._run = None  # as another worker would begin
        changed = replace(real, sha256="f" * 64)
        monkeypatch.setattr(experiments, "load_agent", lambda *_args, **_options: changed)
        with pytest.raises(UsageError, match="changed in the middle of the sweep") as caught:
            list(events)
        assert "what was played is kept" in str(caught.value)
        assert list(store.cell_keys().values()) == [True]


TINY = replace(SETTINGS, defense=None, controls=False, protocol=Protocol(max_frames=600))


def test_the_local_engine_goes_on_when_a_worker_is_killed(tmp_path: Path) -> None:
    """And gives what is given without: a worker dies in its second cell."""
    sweep = [replace(BANK_HEIST, settings=TINY)]
    killed = 0
    with Store(tmp_path / "s") as store:
        for event in Sweep(sweep, store).run(LocalEngine(store.path, 1)):
            if isinstance(event, CellProgress) and event.steps > 100 and not killed:
                (worker,) = _children()
                os.kill(worker, signal.SIGKILL)
                killed += 1
            if isinstance(event, WorkerLost):
                killed += 1
        assert killed == 2
        found = untimed(store.evaluations()[0])
    run = EvaluationRun(load_agent("BankHeist"), TINY, origin=Origin("BankHeist"))
    for _ in run.play():
        pass
    assert found == untimed(run.result())


def _children() -> list[int]:
    """Of this process; not multiprocessing's own tracker of resources."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if parent == os.getpid() and "spawn_main" in command:
            found.append(int(entry.name))
    return found


def test_a_refusal_of_a_worker_is_raised_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver runs other code than its worker, which cannot be told from here otherwise."""
    monkeypatch.setattr("sap_rl.evaluation.code_version.CORE_VERSION", 2)
    sweep = [replace(BANK_HEIST, settings=TINY)]
    with (
        Store(tmp_path / "s") as store,
        pytest.raises(UsageError, match=r"are core 1.*, the sweep's core 2"),
    ):
        list(Sweep(sweep, store).run(LocalEngine(store.path, 1)))
    assert _children() == []


CONFIG = """
game: BankHeist
lambda: [4]
victim: original
episodes: 3
num_envs: 2
max_frames: 60
grad_samples: 1
"""


def _sweep_process(config: Path, store: Path) -> subprocess.Popen[bytes]:
    program = "import sys; from sap_rl.cli import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", program, "sweep", str(config), "--out", str(store), "--quiet",
            "--workers", "1"]  # fmt: skip
    return subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def _sweep_here(path: Path) -> None:
    with Store(path) as store:
        list(Sweep([BANK_HEIST], store).run(HereEngine(store)))


def _killed_at_random(path: Path, kills: int, rng: random.Random) -> int:
    """kill -9 at random moments after a start, then the store's integrity; how often it died.

    A forked process, which has everything imported: these die in the middle of what is tested.
    """
    fork, died = multiprocessing.get_context("fork"), 0
    for _ in range(kills):
        process = fork.Process(target=_sweep_here, args=(path,))
        process.start()
        process.join(rng.random() * 2)
        if process.is_alive():
            process.kill()
        process.join()
        died += process.exitcode == -signal.SIGKILL
        with Store(path) as store:
            (state,) = store.file.connection.execute("PRAGMA integrity_check").fetchone()
            assert state == "ok"
    return died


def _rows(path: Path) -> tuple[int, ...]:
    try:
        with Store(path, make=False) as store, store.file.reading() as file:
            tables = ("experiment", "cell", "episode")
            return tuple(file.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables)
    except UsageError:
        return ()


def test_killed_at_random_a_sweep_is_the_evaluation(tmp_path: Path, staged: Evaluation) -> None:
    assert _killed_at_random(tmp_path / "s", 4, random.Random(0)) > 0
    _sweep_here(tmp_path / "s")
    (found,) = load_evaluations(tmp_path / "s")
    assert untimed(found) == staged


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_killed_many_times_a_sweep_is_the_evaluation(
    seed: int, tmp_path: Path, staged: Evaluation
) -> None:
    _killed_at_random(tmp_path / "s", 5, random.Random(seed))
    _sweep_here(tmp_path / "s")
    (found,) = load_evaluations(tmp_path / "s")
    assert untimed(found) == staged


@pytest.mark.slow
def test_the_command_killed_with_its_workers_goes_on(tmp_path: Path, staged: Evaluation) -> None:
    config, path = tmp_path / "c.yaml", tmp_path / "s.sqlite"
    config.write_text(CONFIG)
    for wait in (0.5, 2.0):
        process = _sweep_process(config, path)
        before = _rows(path)
        while process.poll() is None and _rows(path) == before:
            time.sleep(0.02)
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = _sweep_process(config, path)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    (found,) = load_evaluations(path)
    assert untimed(found) == staged


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_played_and_says_how_to_go_on(tmp_path: Path) -> None:
    config, path = tmp_path / "c.yaml", tmp_path / "s.sqlite"
    config.write_text(CONFIG)
    process = _sweep_process(config, path)
    while process.poll() is None and not (_rows(path) or (0, 0, 0))[2]:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: sap-rl sweep {config} --out {path} --quiet --workers 1" in errors.decode()
    assert errors.decode().count("\n") == 1
    assert _rows(path)[2] > 0


@pytest.mark.slow
def test_ray_with_a_worker_killed_gives_what_is_given_here(
    tmp_path: Path, staged: Evaluation
) -> None:
    ray = pytest.importorskip("ray")
    from sap_rl.sweep.engines.ray import RayEngine

    lost = 0
    with Store(tmp_path / "s") as store:
        engine = RayEngine(store, 2)
        for event in Sweep([BANK_HEIST], store).run(engine):
            if isinstance(event, CellEnded) and not lost:
                lost = _kill_a_ray_worker()
            if isinstance(event, WorkerLost):
                lost += 1
        found = untimed(store.evaluations()[0])
    assert lost > 1, "a killed worker was noticed"
    assert found == staged
    assert not ray.is_initialized()


def _kill_a_ray_worker() -> int:
    """One that is playing; 1 if it could be."""
    for _ in range(200):
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and "ray::play_apart" in (entry / "cmdline").read_text():
                    os.kill(int(entry.name), signal.SIGKILL)
                    return 1
            except OSError:
                continue
        time.sleep(0.05)
    return 0
