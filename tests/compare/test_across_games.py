"""What several games say together: by hand, from evaluations whose returns are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sap_rl.atari.games import game_facts
from sap_rl.compare.across_games import Across, Player, scores_of, summarise_games
from sap_rl.evaluation.results import Evaluation
from sap_rl.statistics.aggregates import Aggregate, aggregate
from tests.evaluation.made_up import rewritten
from tests.reporting.made import evaluation, incomplete

ASSAULT: dict[str, Any] = {"game": "Assault", "agent": "Assault", "sha256": "a5"}


def normalised(game: str, mean: float) -> float:
    facts = game_facts(game)
    assert facts.random is not None
    assert facts.human is not None
    return (mean - facts.random) / (facts.human - facts.random)


def two() -> list[Evaluation]:
    return [evaluation((1.0,)), evaluation((1.0,), **ASSAULT)]


def test_means_by_hand() -> None:
    """Original 500 clean, 250 at lambda 1; defended 400, and 160 under the stronger attack."""
    clean, attacked = summarise_games(two())
    for part, ours, theirs in ((clean, 500.0, 400.0), (attacked, 250.0, 160.0)):
        assert part.games == ("Assault", "BankHeist")
        assert (part.attack, part.defense, part.apart) == ("fgsm", "sap-100", "")
        assert part.defended is not None
        assert part.better is not None
        for standing, mean in ((part.original, ours), (part.defended, theirs)):
            wanted = np.mean([normalised(game, mean) for game in part.games])
            assert standing.mean.value == pytest.approx(wanted)
            assert standing.mean.low < standing.mean.value < standing.mean.high
            assert standing.mean.over == "episodes"
            assert standing.quarters is None, "of two networks it is the mean"
        assert part.better == Aggregate(0.0, 0.0, 0.0, "episodes"), "no episode lies above"
        assert part.looked is False
    assert (clean.lam, attacked.lam) == (0.0, 1.0)


def test_shares_above_the_thresholds_by_hand() -> None:
    """At lambda 1 the original has 0.32 of a human's in BankHeist and 0.05 in Assault."""
    attacked = summarise_games(two())[1]
    assert [normalised(game, 250.0) for game in attacked.games] == pytest.approx(
        [0.053, 0.319], abs=1e-3
    )
    assert attacked.original.above == (0.5, 0.0, 0.0)


def test_scores_are_those_of_the_rows() -> None:
    scores = scores_of(two(), "defended", 1.0)
    row = two()[0].row("defended", 1.0, "original")
    assert row is not None
    ((found,), (_,)) = scores["BankHeist"], scores["Assault"]
    assert found == pytest.approx([normalised("BankHeist", value) for value in row.returns])


def test_one_game_alone_says_nothing_together() -> None:
    assert summarise_games([evaluation(), evaluation(defense="sap-50")]) == []
    unfinished = incomplete(evaluation((1.0,), **ASSAULT, controls=False, victims=("own",)))
    assert [part.lam for part in summarise_games([evaluation((1.0,)), unfinished])] == [0.0]


def test_games_without_published_returns_are_left_out() -> None:
    assert game_facts("KeystoneKapers").human is None
    whole = evaluation((1.0,), sha256="c")
    rows = tuple(replace(row, game="KeystoneKapers", normalised=None) for row in whole.rows)
    unknown = rewritten(replace(whole, rows=rows), game="KeystoneKapers")
    assert list(scores_of([unknown, *two()], "original", 0.0)) == ["Assault", "BankHeist"]
    stated = replace(unknown, rows=tuple(replace(row, normalised=0.5) for row in unknown.rows))
    assert scores_of([stated], "original", 0.0) == {}, "somebody changed the file"


def test_only_what_was_played_under_the_same_rules_is_put_together() -> None:
    first, second = two()
    shorter = rewritten(second, protocol={"max_frames": 1000})
    assert summarise_games([first, shorter]) == []
    found = summarise_games(
        [first, second, shorter, rewritten(first, protocol={"max_frames": 1000})]
    )
    assert [part.apart for part in found] == ["max frames 1000"] * 2 + ["max frames 18000"] * 2
    assert summarise_games([first, rewritten(second, attack="pgd")]) == []


def test_the_original_of_a_group_with_a_defence_is_not_told_twice() -> None:
    plain = [evaluation((1.0,), defense=None), evaluation((1.0,), defense=None, **ASSAULT)]
    assert [part.defense for part in summarise_games([*plain, *two()])] == ["sap-100"] * 2
    alone = summarise_games(plain)
    assert [(part.defense, part.defended, part.better) for part in alone] == [("", None, None)] * 2


def seeds(arm: Player, *evaluations: Evaluation) -> list[list[int]]:
    """Episodes of each network, by game."""
    return [[len(r) for r in nets] for nets in scores_of(evaluations, arm, 0.0).values()]


def test_networks_are_told_apart_by_their_weights_and_seeds_put_together() -> None:
    one, again = evaluation((1.0,)), evaluation((1.0,), seed=1)
    other, longer = evaluation((1.0,), sha256="other"), evaluation((1.0,), episodes=6)
    assert seeds("original", one, again) == [[8]]
    assert seeds("original", one, longer) == [[6]], "of one seed the longer"
    assert seeds("original", one, other) == [[4, 4]]
    hardened = [rewritten(one, defense="agent:h", defended_sha256=sha) for sha in ("h1", "h2")]
    assert seeds("defended", *hardened) == [[4, 4]]
    assert seeds("original", *hardened) == [[4]], "one original is not two training runs"
    older = rewritten(one, defended_sha256=None)
    assert seeds("defended", rewritten(one, defended_sha256="00ff"), older) == [[4]]


@pytest.mark.parametrize("first", [0, 1])
def test_attacks_of_evaluations_of_their_own_count_by_the_stronger(first: int) -> None:
    """Under its own gradient the defended player keeps 200 at lambda 1, under the other 160."""
    own, other = (evaluation((1.0,), victims=(victim,)) for victim in ("own", "original"))
    found = [(own, other), (other, own)][first]
    (((scores,),),) = [scores_of(found, "defended", 1.0).values()]
    assert scores.mean() == pytest.approx(normalised("BankHeist", 160.0))
    longer = evaluation((1.0,), victims=("own",), episodes=6)
    (((scores,),),) = [scores_of([*found, longer], "defended", 1.0).values()]
    assert len(scores) == 6, "more episodes come first"
    parts = summarise_games([*found, two()[1]])
    assert [part.weak for part in parts] == [(), ()], "both were played"
    alone = summarise_games([other, two()[1]])
    assert [part.weak for part in alone] == [(), ("BankHeist",)]
    again = evaluation((1.0,), victims=("own",), seed=1)
    assert summarise_games([other, again, two()[1]])[1].weak == ("BankHeist",), "of another seed"


def test_several_networks_in_every_game_speak_of_training_runs() -> None:
    def nets(shas: int) -> list[Evaluation]:
        made = []
        for i in range(shas):
            made.append(evaluation((1.0,), sha256=f"b{i}", agent=f"b{i}"))
            made.append(evaluation((1.0,), **ASSAULT | {"sha256": f"a{i}"}))
        return made

    part: Across = summarise_games(nets(2))[1]
    assert part.original.mean.over == "training runs"
    assert part.networks == {"Assault": ("Assault", "Assault"), "BankHeist": ("b0", "b1")}
    assert part.original.quarters is not None
    scores = scores_of(nets(2), "original", 1.0).values()
    means = sorted(float(returns.mean()) for game in scores for returns in game)
    assert part.original.quarters.value == pytest.approx(sum(means[1:3]) / 2)
    uneven = summarise_games(nets(2)[:3])[1]
    assert uneven.original.mean.over == "episodes"


def test_the_same_results_give_the_same_intervals() -> None:
    assert summarise_games(two()) == summarise_games(list(reversed(two())))
    scores = scores_of(two(), "original", 1.0)
    wide = aggregate("mean", scores, rng=np.random.default_rng(0))
    found = summarise_games(two())[1].original.mean
    assert (found.low, found.high) == pytest.approx((wide.low, wide.high), abs=2e-3)


def test_a_stopping_rule_is_told() -> None:
    looked = rewritten(evaluation((1.0,)), look_level=0.99)
    assert all(part.looked for part in summarise_games([looked, two()[1]]))
