"""An arm that goes on from a snapshot plays on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sap_rl import Protocol, UsageError, load_agent
from sap_rl.atari.fleet import Fleet, make_fleet
from sap_rl.attacks.schedule import Schedule
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.networks.nature import nature_network
from sap_rl.play.arm_games import ArmGames, add_noise_control, arm_facts
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode, Position, Step, rollout
from sap_rl.play.snapshot import can_freeze
from tests.play.toy import Constant, Counting

SHORT = Protocol(max_frames=72, grad_samples=2)
AT = 13
"""Batched steps before the interruption: every environment is in its first or second episode."""


def new_games(arm: Arm, fleet: Fleet, **options: Any) -> ArmGames:
    given = {"lams": (4.0,), "defense": "sap-100", "episodes": 3, "num_envs": 2, "protocol": SHORT}
    settings = Settings("BankHeist", **(given | options))
    run = EvaluationRun(load_agent("BankHeist"), settings)
    add_noise_control(run.players, 0.03)
    facts = arm_facts(run.players, arm)
    return ArmGames(run.players, arm, facts, fleet, 0, 3, calibrates=arm == Arm("defended"))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    found = make_fleet(
        "BankHeist", 2, protocol=SHORT, preprocess=load_agent("BankHeist").preprocess
    )
    yield found
    found.close()


def seen(event: Step | Episode) -> Any:
    if isinstance(event, Episode):
        return event
    decision = {k: None if v is None else v.tolist() for k, v in vars(event.decision).items()}
    return event.pixels.sum(axis=(1, 2, 3)).tolist(), decision, event.ended


CASES: list[tuple[Arm, dict[str, Any]]] = [
    (Arm("random"), {}),
    (Arm("defended"), {}),
    (Arm("original", 4.0, "self"), {"attack": "noise"}),
    (Arm("defended", 4.0, "self"), {"attack": "pgd", "attack_options": {"steps": 1}}),
    (Arm("matched", 4.0, "original"), {"protocol": replace(SHORT, frames="newest")}),
    (Arm("defended", 4.0, "original"), {"schedule": Schedule("rate", 0.5)}),
]


@pytest.mark.parametrize(("arm", "options"), CASES, ids=lambda case: getattr(case, "title", ""))
def test_resumed_is_uninterrupted(arm: Arm, options: dict[str, Any], fleet: Fleet) -> None:
    whole = new_games(arm, fleet, **options)
    everything = [seen(event) for event in whole.play()]

    first = new_games(arm, fleet, **options)
    events: list[Any] = []
    for event in first.play():
        events.append(seen(event))
        if isinstance(event, Step) and first.arm_stats.batches == AT:
            break
    snapshot = first.snapshot()
    assert isinstance(event, Step)
    counted = replace(first.arm_stats, episodes=[*first.arm_stats.episodes, *event.ended])

    second = new_games(arm, fleet, **options)
    second.go_on(snapshot, counted)
    assert second.arm_stats.seconds > 0
    before = second.arm_stats.seconds
    events += [*event.ended, *(seen(later) for later in second.play())]
    assert events == everything
    assert second.arm_stats.seconds > before
    assert replace(second.arm_stats, seconds=0) == replace(whole.arm_stats, seconds=0)
    if second.calibrates:
        assert np.array_equal(np.concatenate(second.watched), np.concatenate(whole.watched))


@pytest.mark.parametrize("at", [1, 3, 4, 7, 11, 13])
def test_a_position_is_true_whenever_a_step_is_told(at: int) -> None:
    """Of games whose every observation counts their steps; neighbours of other ages included."""

    def play(position: Position, envs: Counting) -> list[Any]:
        player = Constant()
        games = rollout(
            envs, player, episodes=9, seed=11, epsilon=0.5, max_steps=20, position=position
        )
        return [(e, player.asked[-1]) if isinstance(e, Step) else e for e in games]

    whole = play(Position(), Counting(3))
    steps = [i for i, event in enumerate(whole) if isinstance(event, tuple)]
    position = Position()
    games = rollout(
        Counting(3), Constant(), episodes=9, seed=11, epsilon=0.5, max_steps=20, position=position
    )
    count = 0
    for event in games:
        count += isinstance(event, Step)
        if isinstance(event, Step) and count == at:
            break
    assert isinstance(event, Step)
    rest = play(position, Counting(3))
    wanted = whole[steps[at - 1] + 1 + len(event.ended) :]
    assert [e if isinstance(e, Episode) else e[1] for e in rest] == [
        e if isinstance(e, Episode) else e[1] for e in wanted
    ]


def test_later_episodes_alone_are_the_same_games() -> None:
    events = list(rollout(Counting(3), Constant(), episodes=9, seed=11, epsilon=0.0, max_steps=20))
    every = {e.index: e for e in events if isinstance(e, Episode)}
    events = list(
        rollout(
            Counting(3), Constant(), episodes=9, seed=11, epsilon=0.0, max_steps=20,
            position=Position(given=5),
        )
    )  # fmt: skip
    assert {e.index: e for e in events if isinstance(e, Episode)} == {
        i: every[i] for i in range(5, 9)
    }


class OwnDice(nn.Module):
    """Draws random numbers where no stream of ours is."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nature_network(18)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.network(obs)
        return values + torch.rand_like(values)


def test_a_network_with_dice_of_its_own_cannot_be_kept() -> None:
    protocol = replace(SHORT, max_frames=40)
    for module, known in ((OwnDice(), False), (nature_network(18), True)):
        run = EvaluationRun(load_agent(module), Settings("BankHeist", (1.0,), protocol=protocol))
        assert can_freeze(run.players.attacked_player(Arm("original"))) is known


def test_bytes_that_are_no_snapshot_are_refused_in_one_line(fleet: Fleet) -> None:
    games = new_games(Arm("random"), fleet)
    for data in (b"", b"no zip", b"PK\x03\x04 broken"):
        with pytest.raises(UsageError, match="cannot be read"):
            games.go_on(data, games.arm_stats)
