"""The live line, and what stands in for it where nobody watches."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sap_rl.evaluation.run import ArmEnded, ArmPlayed, ArmStarted
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import ArmFacts, ArmStats, make_row
from sap_rl.play.arms import Arm
from sap_rl.play.rollout import Episode
from sap_rl.reporting.live.bars import ProgressBar

ARM = Arm("defended", 4.0, "own")
SETTINGS = Settings("BankHeist", (4.0,), defense="sap-100", episodes=2)


def listen(*, terminal: bool) -> str:
    screen = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    arm_stats = ArmStats(seconds=2.0, steps=500)
    with ProgressBar([ARM], 2, screen) as bar:
        bar(ArmStarted(ARM, ArmFacts()))
        for index in range(2):
            episode = Episode(index, 10.0 * index, 7, False)
            arm_stats.add(episode)
            bar(ArmPlayed(ARM, episode, arm_stats))
        if terminal:
            assert bar.bar.tasks[0].finished
            bar.bar.refresh()
        bar(ArmEnded(ARM, make_row(SETTINGS, ARM, ArmFacts(), arm_stats)))
    return screen.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_line_per_finished_arm_where_nobody_watches() -> None:
    assert listen(terminal=False) == (
        "[1/1] defended-own at lambda 4: return 5.0 over 2 episodes, 2 s\n"
    )


def test_a_live_bar_with_the_arm_and_its_speed_on_a_terminal() -> None:
    shown = listen(terminal=True)
    assert "defended-own at lambda 4" in shown
    assert "250 steps/s" in shown
    assert "[1/1]" not in shown


def test_means_so_far_stand_above_the_bar() -> None:
    shown = listen(terminal=True)
    assert "mean so far" in shown
    assert "2 of 2" in shown
    assert "5.0" in shown


def test_lines_of_an_arm_under_way_and_the_minutes_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten minutes for the first of two arms that cost the same: 20 minutes, so 2 games take 2."""
    clock = [0.0]
    monkeypatch.setattr("sap_rl.reporting.live.bars.time.monotonic", lambda: clock[0])
    screen = Console(file=io.StringIO(), force_terminal=False, width=120)
    other = Arm("defended", 8.0, "own")
    arm_stats = ArmStats(seconds=2.0, steps=500)
    with ProgressBar([ARM, other], 15, screen) as bar:
        clock[0] = 590.0
        for index in range(15):
            episode = Episode(index, 10.0, 7, False)
            arm_stats.add(episode)
            bar(ArmPlayed(ARM, episode, arm_stats))
        clock[0] = 600.0
        bar(ArmEnded(ARM, make_row(SETTINGS, ARM, ArmFacts(), arm_stats)))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [
        "defended-own at lambda 4: 1 of 15 episodes, mean so far 10.0",
        "[1/2] defended-own at lambda 4: return 10.0 over 15 episodes, 2 s",
        "at most about 20 minutes in all, less where attacked games end early; --episodes 2 for a "
        "first look",
    ]
