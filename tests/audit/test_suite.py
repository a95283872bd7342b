"""The fixed suite, and how it applies to each kind of player."""

from __future__ import annotations

import pytest

from sap_rl.attacks import ATTACKS, attack_options, make_attack
from sap_rl.attacks.objectives import OBJECTIVES
from sap_rl.audit.suite import (
    ALWAYS,
    DEEP,
    PAPER,
    SUITE,
    Kind,
    applied,
    opponents,
    strongest,
    suite_for,
)
from sap_rl.defenses.names import BACKWARDS

PRUNED = Kind(random=True, backwards=BACKWARDS, undefended=False)
NOISY = Kind(random=True, backwards=(), undefended=False)
FIXED = Kind(random=False, backwards=(), undefended=False)
ORIGINAL = Kind(random=False, backwards=(), undefended=True)


def test_titles_are_unique_and_every_entry_can_be_made() -> None:
    assert len({entry.title for entry in SUITE}) == len(SUITE)
    for entry in SUITE:
        make_attack(entry.attack, **entry.attack_options)
        asks = "grad_samples" in attack_options(entry.attack)
        assert asks == (entry.samples is not None)


def test_the_suite_covers_attacks_objectives_backward_modes_and_victims() -> None:
    assert {entry.attack for entry in SUITE} == set(ATTACKS) - {"none", "lookahead"}
    assert {entry.objective for entry in SUITE} == {None, *OBJECTIVES}
    assert {entry.backward for entry in SUITE} == {None, "mask", "full", "identity"}
    assert {entry.victim for entry in SUITE} == {"own", "original"}


def test_every_entry_applies_to_a_pruned_player_as_it_stands() -> None:
    assert applied(PRUNED) == list(SUITE)


def test_backward_modes_and_passes_vanish_where_they_mean_nothing() -> None:
    for entry in applied(FIXED):
        assert entry.backward is None
        assert entry.samples in (None, 1)
    assert {e.backward for e in applied(NOISY)} == {None}
    assert PAPER.against(NOISY).samples == 10
    assert len({entry.title for entry in applied(FIXED)}) == len(applied(FIXED)) < len(SUITE)


def test_the_original_is_attacked_by_its_own_gradient_alone() -> None:
    for entry in applied(ORIGINAL):
        assert entry.victim == "original"
        assert entry.samples in (None, 1)
    assert PAPER.against(ORIGINAL).title == "fgsm cross-entropy original"
    again = [entry.against(ORIGINAL) for entry in applied(ORIGINAL)]
    assert again == applied(ORIGINAL)


def test_the_strongest_are_by_value_lost_without_probes_and_those_that_play_anyway() -> None:
    lost = {entry.title: 0.0 for entry in SUITE}
    lost |= {entry.title: 9.0 for entry in (*ALWAYS, *(e for e in SUITE if e.role == "probe"))}
    lost |= {"square margin x2": 3.0, "pgd mad identity x2": 2.0, "apgd margin original": 1.0}
    found = strongest(PRUNED, lost, 3)
    assert [e.title for e in found] == [
        "square margin x2", "pgd mad identity x2", "apgd margin original"
    ]  # fmt: skip


@pytest.mark.parametrize(("deep", "plays"), [(1.04, False), (1.06, True)])
def test_a_long_search_plays_only_where_it_took_clearly_more(deep: float, plays: bool) -> None:
    suite = suite_for([FIXED, ORIGINAL])
    lost = dict.fromkeys((entry.title for entry in applied(FIXED, suite)), 0.5)
    lost |= {"pgd margin": 1.0, "pgd-20 margin r3": deep}
    first = strongest(FIXED, lost, 1, suite)[0]
    assert first.title == ("pgd-20 margin r3" if plays else "pgd margin")
    assert first in [e.against(FIXED) for e in (DEEP if plays else SUITE)]
    lost |= {"pgd-100 margin": 2.0}
    assert strongest(FIXED, lost, 1, suite)[0].title == "pgd-100 margin"


def test_opponents_as_they_apply_each_once() -> None:
    picked = [entry for entry in SUITE if entry.title == "pgd margin identity x2"]
    titles = [entry.title for entry in opponents(ORIGINAL, picked)]
    assert titles == ["fgsm cross-entropy original", "noise", "pgd margin original"]
    assert len(opponents(PRUNED, picked)) == 4


@pytest.mark.parametrize("kind", [PRUNED, NOISY, FIXED, ORIGINAL])
def test_applied_entries_are_unique(kind: Kind) -> None:
    titles = [entry.title for entry in applied(kind)]
    assert len(titles) == len(set(titles))
