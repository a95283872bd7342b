"""The whole audit on the real agent, tiny; and going on after an interruption."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sap_rl import ATTACKS, DEFENSES, Protocol, UsageError, load_agent
from sap_rl.audit.card import AuditCard
from sap_rl.audit.cells import NOISE_CELL, AuditCell
from sap_rl.audit.run import STORE, Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import PAPER, applied
from sap_rl.audit.worst import GameResult
from sap_rl.corruptions.names import CORRUPTION_NAMES
from sap_rl.evaluation.code_version import AUDITED_BEFORE, PLAYED_BEFORE
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.machine import commit
from sap_rl.networks.nature import nature_network
from sap_rl.play.arms import in_first_names
from sap_rl.reporting.figures.profile import profile_figure
from sap_rl.reporting.tables.audit import audit_report
from sap_rl.reporting.tables.evaluation import console
from sap_rl.store.cells import cell_key
from sap_rl.store.store import Store
from sap_rl.sweep.experiments import MADE, deciding

TINY = AuditSettings(
    "BankHeist",
    (1.0,),
    budget="quick",
    episodes=2,
    frames=2,
    every=2,
    strongest=2,
    protocol=Protocol(max_frames=60),
)


def audit(folder: Path | None) -> Audit:
    return Audit(load_agent("BankHeist"), TINY, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cells")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Audit:
    found = audit(folder)
    assert all(event.seconds is not None for event in found.run())
    return found


@pytest.fixture(scope="module")
def card(whole: Audit) -> AuditCard:
    return whole.card()


def shown(card: AuditCard) -> str:
    with (screen := console(force_terminal=False)).capture() as capture:
        screen.print(audit_report(card))
    return capture.get()


def test_every_entry_of_the_suite_is_measured_on_both_players(card: AuditCard) -> None:
    for player in ("defended", "original"):
        titles = [r.title for r in card.frames if (r.player, r.lam) == (player, 1.0)]
        assert titles == [entry.title for entry in applied(card.kinds[player])]
        assert [r.title for r in card.frames if (r.player, r.lam) == (player, 255.0)]
    assert {len(result.margin_lost) for result in card.frames} == {2}


def test_games_are_those_that_always_play_and_the_strongest(card: AuditCard) -> None:
    titles = {
        player: [cell.title for cell in card.games if (cell.player, cell.lam) == (player, 1.0)]
        for player in card.kinds
    }
    assert titles["defended"][:3] == [
        "fgsm cross-entropy mask x10", "noise", "fgsm cross-entropy original"
    ]  # fmt: skip
    assert len(titles["defended"]) == 5
    assert titles["original"][:2] == ["fgsm cross-entropy original", "noise"]
    assert "noise" not in titles["noise-control"]
    lost = {
        r.title: r.mean_value_lost for r in card.frames if (r.player, r.lam) == ("defended", 1.0)
    }
    able = [e.title for e in applied(card.kinds["defended"]) if e.role == "game"]
    rest = sorted((lost[t] for t in able if t not in titles["defended"][:3]), reverse=True)
    assert sorted((lost[t] for t in titles["defended"][3:]), reverse=True) == rest[:2]
    clean = [cell.player for cell in card.games if cell.lam == 0]
    assert clean == ["random", "defended", "original", "noise-control"]
    assert all(cell.row.complete and cell.row.episodes == 2 for cell in card.games)


def test_the_frames_are_not_from_the_games_that_are_played(whole: Audit) -> None:
    """Recorded games have other episode seeds; what is fitted on is recorded beside."""
    found = audit(None)
    pixels, fitted = found.recorded, found.players.recorded
    assert fitted is not None
    assert pixels.shape == fitted.shape == (2, 4, 84, 84)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, whole.recorded), "the same settings, the same frames"


def test_an_interrupted_audit_goes_on_where_it_was(card: AuditCard, folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    lost = files[len(files) // 2]
    before = lost.read_text()
    lost.unlink()
    with Store(folder / STORE) as store, store.file.writing() as file:
        keys = [key for (key,) in file.execute("SELECT key FROM cell ORDER BY changed")]
        for table, column in (("cell", "key"), ("episode", "cell")):
            file.execute(f"DELETE FROM {table} WHERE {column} = ?", (keys[5],))
    again = audit(folder)
    played = [event.name for event in again.run() if event.seconds is not None]
    assert [name.partition(":")[0] for name in played] == ["frames", "games"]
    assert lost.read_text() == before, "bit for bit"
    assert again.frames == list(card.frames)
    assert untimed(again) == untimed(card)


def test_corruptions_are_played_beside_it(
    card: AuditCard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From mild to severe, as long as half is left; all that was found before stays."""
    for name in set(CORRUPTION_NAMES) - {"shift"}:
        monkeypatch.delitem(CORRUPTION_NAMES, name)
    found = Audit(load_agent("BankHeist"), replace(TINY, corruptions=True), folder)
    played = [event.name for event in found.run() if event.seconds is not None]
    assert played[:2] == [f"camera: {p}, shift 1 pixel" for p in ("defended", "original")]
    assert all(name.startswith("camera: ") for name in played)
    again = found.card()
    assert untimed(again) == untimed(card)
    halves = {(one.corruption, one.player): one for one in again.profile}
    assert set(halves) == {
        (name, player) for name in ("lambda", "shift") for player in ("original", "defended")
    }
    for player in ("original", "defended"):
        points = halves["shift", player].points
        assert [severity for severity, _ in points] == [1, 2, 4, 8, 16][: len(points)]
        assert all(mean > again.half(player) for _, mean in points[:-1])
    assert "half is gone at" in shown(again)
    assert "corruption shift 1" in str(again.facts.made.code)
    assert json.loads(again.to_json())["profile"]
    axes = profile_figure(again).axes
    assert [each.get_title(loc="left") for each in axes] == [
        "lambda (pixel values)",
        "shift (pixels)",
    ]


def untimed(card: AuditCard) -> list[GameResult]:
    return [without_time(cell) for cell in card.games]


def without_time(cell: GameResult) -> GameResult:
    return replace(cell, row=replace(cell.row, seconds=0.0, steps_per_second=0.0))


def test_an_audit_without_a_folder_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    events = audit(None).run()
    next(events)
    assert list(tmp_path.iterdir())
    events.close()
    assert list(tmp_path.iterdir()) == []


def test_games_are_an_evaluations(folder: Path, card: AuditCard) -> None:
    """The paper's attack on the defended player, arm and key: `sap-rl eval` plays the same."""
    found = audit(folder)
    list(found.run())
    [cell] = [c for c in found.game_cells() if c.title == PAPER.title and c.player == "defended"]
    settings = Settings(
        "BankHeist", (1.0,), defense="sap-100", victims=("own",), controls=False, episodes=2,
        attack_backward="mask", attack_options={"objective": "cross-entropy"},
        protocol=Protocol(max_frames=60, grad_samples=10),
    )  # fmt: skip
    run = EvaluationRun(load_agent("BankHeist"), settings)
    assert found.facts.in_games(cell) == deciding(run, cell.arm)
    run.arms = [cell.arm]
    list(run.play())
    row = run.result().row("defended", 1.0, "own")
    kept = card.cell("defended", PAPER.title, 1.0)
    assert row is not None
    assert kept is not None
    assert replace(row, seconds=0.0, steps_per_second=0.0) == without_time(kept).row


def facts(found: Audit) -> dict[str, Any]:
    """What determines each cell that is known without playing, by its name."""
    cells = [AuditCell("games", name) for name in ("random", "original", "defended")]
    on_frames = [*found.frame_cells(), NOISE_CELL]
    return {c.name: found.facts.on_frames(c) for c in on_frames} | {
        c.name: found.facts.in_games(c) for c in cells
    }


def stale(found: Audit, before: dict[str, Any]) -> set[str]:
    now = facts(found)
    return {name for name in before if before[name] != now[name]}


def test_other_settings_are_other_cells() -> None:
    before = facts(audit(None))
    assert stale(audit(None), before) == set()
    assert stale(Audit(load_agent("BankHeist"), replace(TINY, seed=1)), before) == before.keys()


def test_cells_of_other_code_are_other_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    before = facts(audit(None))
    monkeypatch.setattr("sap_rl.evaluation.code_version.CORE_VERSION", 2)
    found = audit(None)
    assert stale(found, before) == before.keys()
    assert (found.card().facts.made.code or "").startswith("core 2, loader native 1, ")


def test_a_raised_entry_makes_only_its_own_cells_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """FGSM belongs to every cell on frames: they are recorded from play under it, too."""
    before = facts(audit(None))
    on_frames = {name for name in before if not name.startswith("games")}
    for entry, expected in (
        (ATTACKS["square"], {name for name in before if "square" in name}),
        (DEFENSES["sap"], {*on_frames, "games: defended, none, lambda 0"}),
        (ATTACKS["fgsm"], on_frames),
    ):
        monkeypatch.setitem(vars(entry), "version", 2)
        assert stale(audit(None), before) == expected
        monkeypatch.setitem(vars(entry), "version", 1)
    assert len(on_frames) > 50


def test_games_of_a_fitted_attack_are_those_of_the_recorded_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever plays: the defended player's games are among what the pattern is fitted on."""

    def of_original(found: Audit) -> Any:
        cells = {c.title: c for c in found.frame_cells() if c.player == "original" and c.lam == 1}
        cell = cells["universal margin original"]
        return found.facts.in_games(replace(cell, stage="games"))

    before = of_original(audit(None))
    for change in ({"frames": 5}, {"every": 3}, {"defense": "sap-50"}):
        assert of_original(Audit(load_agent("BankHeist"), replace(TINY, **change))) != before
    monkeypatch.setitem(vars(DEFENSES["sap"]), "version", 2)
    assert of_original(audit(None)) != before


def test_cells_of_version_one_state_the_fingerprint_of_before_there_were_versions(
    folder: Path, card: AuditCard
) -> None:
    files = [path for path in folder.iterdir() if path.suffix == ".json"]
    stated = {json.loads(path.read_text())["facts"]["code"] for path in files}
    assert stated == {AUDITED_BEFORE} == {"f6821db7c793a087"}
    with Store(folder / STORE, make=False) as store:
        assert {cell.key for cell in store.alone()} == set(store.cell_keys())
        for key in store.cell_keys():
            cell = store.cell(key)
            assert cell is not None
            known = {name: fact for name, fact in cell.manifest.items() if name not in MADE}
            assert key == cell_key(in_first_names(known) | {"code": PLAYED_BEFORE})


def test_the_noise_control_of_another_agent_is_another_cell() -> None:
    """Its noise is laid on that agent: an equal sigma does not make two controls one."""
    known = []
    for name in ("BankHeist-hardened", "BankHeist-hardened-4", "BankHeist"):
        found = audit_of(f"agent:{name}+sap-100")
        found.players.noise_control = found.players.plain.defend("q-noise-0.05", seed=0)
        known.append(found.facts.in_games(AuditCell("games", "noise-control")))
        assert "defended_sha256" not in found.facts.in_games(AuditCell("games", "original"))
    assert known[0] != known[1]
    assert {fact["sigma"] for fact in known} == {0.05}
    shas = [fact.get("defended_sha256") for fact in known]
    assert shas[:2] == [load_agent(f"BankHeist-hardened{n}").sha256 for n in ("", "-4")]
    assert shas[2] is None, "the original in its own place"


def audit_of(defense: str) -> Audit:
    return Audit(load_agent("BankHeist"), replace(TINY, defense=defense))


def test_the_card_says_which_code_made_it(card: AuditCard) -> None:
    code = card.facts.made.code.split(", ")
    assert code[:2] == ["core 1", "loader native 1"]
    assert {"defense sap 1", "defense q-noise 1", "attack fgsm 1", "attack pgd 1"} <= set(code)
    assert card.facts.made.commit == commit()


def test_the_card_fits_80_columns_uncut(card: AuditCard) -> None:
    text = shown(card)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for part in ("Lambda 1, on recorded frames", "Lambda 1, returns in games", "Worst cases",
                 "Clean play: random", "sap-100", "noise", "One trained network"):  # fmt: skip
        assert part in text
    assert "INCOMPLETE" not in text


def test_an_abandoned_audit_says_so(folder: Path) -> None:
    found = audit(folder)
    for number, _ in enumerate(found.run()):
        if number == 50:
            break
    assert not found.complete
    assert "INCOMPLETE" in shown(found.card())
    assert "INCOMPLETE" in shown(audit(None).card()), "before anything was done, too"


def test_json_is_one_object(card: AuditCard) -> None:
    whole = json.loads(card.to_json(), parse_constant=lambda text: pytest.fail(text))
    assert {"config", "versions", "complete", "frames", "games", "worst", "area", "comparisons",
            "checks", "verdicts"} <= set(whole)  # fmt: skip
    assert whole["frames"][0]["lambda"] == 1.0
    assert whole["games"][-1]["row"]["returns"]
    assert whole["complete"] is True


def test_an_agent_alone_can_be_audited() -> None:
    settings = AuditSettings("BankHeist", (1.0,), defense=None, budget="quick", frames=2)
    found = Audit(load_agent("BankHeist"), settings)
    assert list(found.kinds) == ["original"]


def test_cells_of_an_agent_without_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keep no cells"):
        Audit(load_agent(nature_network(18)), TINY, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "quick", "lams": (0.25, 1.0)}, "effort quick has one lambda, got 0.25, 1"),
        ({"lams": (0.0, 1.0)}, "lambda 0 is always played"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"frames": 0}, "attack_frames must be at least 1, got 0"),
        ({"lams": (-1.0,)}, "got -1"),
        ({"defense": "spa-100"}, "unknown defense 'spa-100'"),
        ({"protocol": Protocol(grad_samples=3)}, "sets the gradient samples of each attack itself"),
    ],
)
def test_settings_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AuditSettings("BankHeist", **options)


def test_budgets() -> None:
    quick = AuditSettings("BankHeist", budget="quick")
    assert (quick.budgets, quick.frames_each, quick.episodes_each) == ((0.25,), 512, 10)
    two = AuditSettings("BankHeist", (1.0, 0.25))
    assert (two.budgets, two.frames_each, two.episodes_each) == ((0.25, 1.0), 384, 30)
    eight = AuditSettings("BankHeist")
    assert (len(eight.budgets), eight.frames_each, eight.episodes_each) == (8, 96, 10)
    thorough = AuditSettings("BankHeist", budget="thorough")
    assert (thorough.frames_each, thorough.episodes_each) == (512, 100)
