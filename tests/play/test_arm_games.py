"""An arm that goes on after a whole block plays on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sap_rl import Protocol, load_agent
from sap_rl.atari.fleet import Fleet
from sap_rl.attacks.schedule import Schedule
from sap_rl.attacks.universal import Universal
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.play import frames
from sap_rl.play.arm_games import ArmGames
from sap_rl.play.arms import Arm
from sap_rl.play.noise_control import add_noise_control
from sap_rl.play.rollout import Episode, Step

SHORT = Protocol(max_frames=72, grad_samples=2)
CLEAN = Arm("defended")


def new_run(**options: Any) -> EvaluationRun:
    given = {"lams": (4.0,), "defense": "sap-100", "episodes": 3, "num_envs": 2, "protocol": SHORT}
    run = EvaluationRun(load_agent("BankHeist"), Settings("BankHeist", **(given | options)))
    add_noise_control(run.players, 0.03)
    return run


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    found = new_run().fleet(2)
    yield found
    found.close()


def new_games(arm: Arm, fleet: Fleet, episodes: range = range(3), **options: Any) -> ArmGames:
    return new_run(**options).games(arm, fleet, episodes, calibrates=arm == CLEAN)


def seen(event: Step | Episode) -> Any:
    if isinstance(event, Episode):
        return event
    decision = {k: None if v is None else v.tolist() for k, v in vars(event.decision).items()}
    return event.pixels.sum(axis=(1, 2, 3)).tolist(), decision, event.ended


def heard(games: ArmGames) -> list[list[Any]]:
    """What happens, block by block."""
    return [[seen(event) for event in block] for block in games.blocks()]


CASES: list[tuple[Arm, dict[str, Any]]] = [
    (Arm("random"), {}),
    (CLEAN, {}),
    (Arm("original", 4.0, "own"), {"attack": "noise"}),
    (Arm("defended", 4.0, "own"), {"attack": "pgd", "attack_options": {"steps": 1}}),
    (Arm("noise-control", 4.0, "original"), {"protocol": replace(SHORT, frames="newest")}),
    (Arm("defended", 4.0, "original"), {"schedule": Schedule("rate", 0.5)}),
]


@pytest.mark.parametrize(("arm", "options"), CASES, ids=lambda case: getattr(case, "title", ""))
def test_resumed_after_a_block_is_uninterrupted(
    arm: Arm, options: dict[str, Any], fleet: Fleet
) -> None:
    whole = new_games(arm, fleet, **options)
    everything = heard(whole)
    assert [sum(isinstance(e, Episode) for e in block) for block in everything] == [2, 1]

    first = new_games(arm, fleet, **options)
    blocks = first.blocks()
    assert [seen(event) for event in next(blocks)] == everything[0]
    assert not first.complete
    second = new_games(arm, fleet, **options)
    second.arm_stats, second.sigma = first.arm_stats, first.sigma
    assert heard(second) == everything[1:]
    assert second.complete
    assert replace(second.arm_stats, seconds=0) == replace(whole.arm_stats, seconds=0)
    assert second.arm_stats.seconds > 0
    assert second.sigma == whole.sigma
    assert (second.sigma is None) == (arm != CLEAN)


def test_the_first_block_is_what_is_played_where_there_is_no_other(fleet: Fleet) -> None:
    arm = Arm("defended", 4.0, "own")
    assert heard(new_games(arm, fleet, range(2))) == heard(new_games(arm, fleet))[:1]


def test_a_later_block_has_draws_of_its_own_and_the_same_games(fleet: Fleet) -> None:
    """Alone it is what it is behind others; as a first block it would be another."""
    (alone,) = heard(new_games(CLEAN, fleet, range(2, 4)))
    assert alone == heard(new_games(CLEAN, fleet, range(4)))[1]
    run = new_run()
    streams = [
        run.players.for_block(first).attacked_player(CLEAN).agent.module.stream.seed
        for first in (0, 2, 4)
    ]
    assert len(set(streams)) == 3
    assert streams[0] == run.players.attacked_player(CLEAN).agent.module.stream.seed
    assert run.players.for_block(2).flip_probe(Arm("original")) is None


def test_a_deterministic_arm_does_not_know_of_blocks(fleet: Fleet) -> None:
    """The same returns, lengths and flips whatever is played together."""
    one = new_run().fleet(1)
    for arm in (Arm("original"), Arm("original", 1.0, "own")):
        played = [new_games(arm, envs, range(4)) for envs in (fleet, one)]
        for games in played:
            heard(games)
        a, b = (games.arm_stats for games in played)
        assert {e.index: e for e in a.episodes} == {e.index: e for e in b.episodes}
        assert (a.steps, a.flipped.total) == (b.steps, b.flipped.total)
    one.close()


def test_the_noise_is_the_blocks_mean_by_looks(fleet: Fleet) -> None:
    both = new_games(CLEAN, fleet, range(4))
    alone = [new_games(CLEAN, fleet, episodes) for episodes in (range(2), range(2, 4))]
    for games in (both, *alone):
        heard(games)
    first, second = alone
    assert first.sigma is not None
    assert second.sigma is not None
    a, b = first.arm_stats.self_flipped.count, second.arm_stats.self_flipped.count
    assert first.sigma != second.sigma
    assert both.sigma == pytest.approx((a * first.sigma + b * second.sigma) / (a + b))


def test_a_pattern_is_fitted_once_whichever_block_is_played(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []
    real = Universal.fit
    monkeypatch.setattr(Universal, "fit", lambda *given: fits.append(0) or real(*given))
    monkeypatch.setattr(frames, "FITTING", 4)
    options = {"attack": "universal", "attack_options": {"steps": 2}}
    run = new_run(**options)
    arm = Arm("original", 4.0, "own")
    run.players.recorded = frames.fitting_frames(run.players, "BankHeist", 4)
    everything = heard(run.games(arm, fleet, range(4)))
    assert len(fits) == 1
    later = run.games(arm, fleet, range(4))
    later.arm_stats.episodes = [Episode(0, 0.0, 1, False), Episode(1, 0.0, 1, False)]
    assert heard(later) == everything[1:]


def test_who_looks_ahead_does_so_in_the_emulator_of_the_game(fleet: Fleet) -> None:
    """Game by game, and without its tampering they are the games of every fleet."""
    quick = {"targets": 2, "steps": 1, "horizon": 2}
    run = new_run(attack="lookahead", attack_options=quick)
    assert (run.settings.parallel, new_run().settings.parallel) == (1, 2)
    one = run.fleet(1)
    games = run.games(Arm("original", 4.0, "own"), one, range(2))
    looks: list[int] = []
    emulator: Any = one.groups[0]
    restore = emulator.restore
    emulator.restore = lambda moment: (looks.append(moment.played), restore(moment))
    blocks = heard(games)
    assert [len([e for e in block if isinstance(e, Episode)]) for block in blocks] == [1, 1]
    assert looks
    assert games.arm_stats.linf_max == pytest.approx(4.0, abs=1e-3)
    clean = [e for e in run.games(Arm("original"), one, range(2)).play() if isinstance(e, Episode)]
    plain = new_run().games(Arm("original"), fleet, range(2))
    assert clean == [event for event in plain.play() if isinstance(event, Episode)]
