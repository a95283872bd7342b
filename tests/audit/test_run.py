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
from sap_rl.audit.run import Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import applied
from sap_rl.evaluation.code_version import AUDITED_BEFORE
from sap_rl.machine import commit
from sap_rl.networks.nature import nature_network
from sap_rl.reporting.tables.audit import audit_report
from sap_rl.reporting.tables.evaluation import console

TINY = AuditSettings(
    "BankHeist",
    (1.0,),
    budget="quick",
    episodes=2,
    frames=4,
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
def card(folder: Path) -> AuditCard:
    found = audit(folder)
    assert all(event.seconds is not None for event in found.run())
    return found.card()


def shown(card: AuditCard) -> str:
    with (screen := console(force_terminal=False)).capture() as capture:
        screen.print(audit_report(card))
    return capture.get()


def test_every_entry_of_the_suite_is_measured_on_both_players(card: AuditCard) -> None:
    for player in ("defended", "original"):
        titles = [r.title for r in card.frames if (r.player, r.lam) == (player, 1.0)]
        assert titles == [entry.title for entry in applied(card.kinds[player])]
        assert [r.title for r in card.frames if (r.player, r.lam) == (player, 255.0)]
    assert {len(result.margin_lost) for result in card.frames} == {4}


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


def test_the_frames_are_not_from_the_games_that_are_played(folder: Path) -> None:
    """Recorded games have other episode seeds, and what is fitted on is not measured."""
    found = audit(None)
    pixels = found.workshop.recorded()
    assert pixels.shape == (8, 4, 84, 84)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, audit(None).workshop.recorded()), (
        "the same settings, the same frames"
    )


def test_an_interrupted_audit_goes_on_where_it_was(
    card: AuditCard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_text() for path in folder.iterdir()}
    victim = sorted(before)[len(before) // 2]
    (folder / victim).unlink()
    again = audit(folder)
    played = [event for event in again.run() if event.seconds is not None]
    assert len(played) == 1
    after = {path.name: path.read_text() for path in folder.iterdir()}
    assert without_time(after[victim]) == without_time(before[victim]), "bit for bit"
    assert [r.margin_lost for r in again.frames] == [r.margin_lost for r in card.frames]


def without_time(text: str) -> Any:
    whole = json.loads(text)
    for name in ("seconds", "steps_per_second"):
        whole["cell"].pop(name, None)
    return whole


def test_other_settings_do_not_find_these_cells(folder: Path, card: AuditCard) -> None:
    other = Audit(load_agent("BankHeist"), replace(TINY, seed=1), folder)
    facts = other._facts("frames", "defended", applied(card.kinds["defended"])[0], 1.0)
    assert other.cells.load(facts) is None
    same = audit(folder)
    facts = same._facts("frames", "defended", applied(card.kinds["defended"])[0], 1.0)
    assert same.cells.load(facts) is not None


def test_cells_of_other_code_are_made_again(
    folder: Path, card: AuditCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = audit(folder)
    entry = applied(card.kinds["defended"])[0]
    assert found.cells.load(found._facts("games", "random", None, 0.0)) is not None
    assert found.cells.load(found._facts("frames", "defended", entry, 1.0)) is not None
    monkeypatch.setattr("sap_rl.evaluation.code_version.CORE_VERSION", 2)
    assert found.cells.load(found._facts("games", "random", None, 0.0)) is None
    assert found.cells.load(found._facts("frames", "defended", entry, 1.0)) is None
    assert found.card().facts.made.code.startswith("core 2, loader native 1, ")


def test_a_raised_entry_makes_only_its_own_cells_stale(
    folder: Path, card: AuditCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FGSM belongs to every cell on frames: they are recorded from play under it, too."""

    def stale() -> set[str]:
        found = audit(folder)
        plans = [*found._frame_plans(), found._match_plan()]
        plans += [found._plan("games", name, None, 0.0) for name in ("random", "original")]
        plans += [found._plan("games", "defended", None, 0.0)]
        return {plan.name for plan in plans if found.cells.load(plan.facts) is None}

    assert stale() == set()
    monkeypatch.setitem(vars(ATTACKS["square"]), "version", 2)
    assert stale()
    assert all("square" in name for name in stale())
    monkeypatch.setitem(vars(ATTACKS["square"]), "version", 1)
    monkeypatch.setitem(vars(DEFENSES["sap"]), "version", 2)
    assert "games: defended, none, lambda 0" in stale()
    assert all(name.startswith(("frames", "noise-control", "games: defended")) for name in stale())
    monkeypatch.setitem(vars(DEFENSES["sap"]), "version", 1)
    monkeypatch.setitem(vars(ATTACKS["fgsm"]), "version", 2)
    assert not any(name.startswith("games") for name in stale())
    assert len(stale()) == len([*audit(folder)._frame_plans(), "noise-control"])


def test_cells_that_were_made_before_there_were_versions_are_read(
    folder: Path, card: AuditCard
) -> None:
    """They state the fingerprint of that time, and so do those of version 1."""
    stated = {json.loads(path.read_text())["facts"]["code"] for path in folder.iterdir()}
    assert stated == {AUDITED_BEFORE} == {"f6821db7c793a087"}


def test_the_noise_control_of_another_agent_is_another_cell() -> None:
    """Its noise is laid on that agent: an equal sigma does not make two controls one."""
    facts = []
    for name in ("BankHeist-hardened", "BankHeist-hardened-4", "BankHeist"):
        found = audit_of(f"agent:{name}+sap-100")
        found.players.noise_control = found.players.plain.defend("q-noise-0.05", seed=0)
        facts.append(found._facts("games", "noise-control", None, 0.0))
        assert "contender" not in found._facts("games", "original", None, 0.0)
    assert facts[0] != facts[1]
    assert {fact["sigma"] for fact in facts} == {0.05}
    shas = [fact.get("contender") for fact in facts]
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
        ({"budget": "quick", "lams": (0.25, 1.0)}, "budget quick has one lambda, got 0.25, 1"),
        ({"lams": (0.0, 1.0)}, "lambda 0 is always played"),
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"frames": 0}, "frames must be at least 1, got 0"),
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
