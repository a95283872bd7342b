"""Films show the games that an evaluation plays."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from sap_rl import Agent, Protocol
from sap_rl.errors import UsageError
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.evaluation.settings import Settings
from sap_rl.film.games import FilmedGames, Scene, WatchedFleet
from sap_rl.play.arms import Arm

SHORT = Protocol(max_frames=100, grad_samples=2)
SETTINGS = Settings(
    "BankHeist", (1.0,), defense="sap-100", victims=("own",), episodes=2, num_envs=1,
    controls=False, protocol=SHORT,
)  # fmt: skip


@pytest.fixture(scope="module")
def filmed() -> tuple[FilmedGames, list[Scene]]:
    from sap_rl import load_agent

    run = FilmedGames(load_agent("BankHeist"), SETTINGS, 1000, episode=1)
    return run, list(run.play())


def test_the_filmed_games_are_the_evaluations(filmed: tuple[FilmedGames, list[Scene]]) -> None:
    """One game at a time, so that every draw is the same: returns, lengths and flips agree."""
    run, scenes = filmed
    torch.set_num_threads(1)
    evaluation = EvaluationRun(run.agent, SETTINGS)
    for _ in evaluation.play():
        pass
    one = FilmedGames(run.agent, SETTINGS, 1000, episode=0)
    first = list(one.play())
    for place, arm in enumerate(("original", "defended")):
        row = evaluation.result().row(arm, 1.0, "own")
        assert row is not None
        views = [found[-1].views[place] for found in (first, scenes)]
        assert row.lengths == tuple(view.steps for view in views)
        if arm == "original":  # the defended player's draws go on from one game to the next
            assert row.returns == tuple(view.score for view in views)
            flips = sum(view.flips for view in views) / sum(view.steps for view in views)
            assert row.flip_rate == pytest.approx(flips)
        else:
            assert row.returns[0] == views[0].score


def test_the_film_looks_on_as_a_probe_of_the_player_would(agent: Agent) -> None:
    """Values on clean frames are those of the arm's flip probe, asked twice a step from its start;
    nothing that is chosen depends on it."""
    run = FilmedGames(agent, SETTINGS, 6)
    views = [scene.views[1] for scene in run.play()]
    arm = run.arms[1]
    probe, player = run.players.flip_probe(arm), run.players.attacked_player(arm)
    assert probe is not None
    fleet = run.run.fleet(1)
    rows, first = np.array([0]), np.array([True])
    fleet.reset(rows, np.array([run.facts.emulator_seed]))
    for view in views:
        assert fleet.obs is not None
        pixels = fleet.obs.copy()
        assert player.decide(pixels, first, rows).actions.tolist() == [view.chosen]
        on_clean, again = (probe.q_values(pixels)[0].numpy() for _ in range(2))
        np.testing.assert_array_equal(view.on_clean, on_clean)
        assert view.wanted == on_clean.argmax()
        before = views[view.steps - 2].self_flips if view.steps > 1 else 0
        assert view.self_flips - before == (again.argmax() != on_clean.argmax())
        fleet.step(rows, np.array([view.played]))
        first = np.array([False])
    fleet.close()


def test_views_say_what_happened(filmed: tuple[FilmedGames, list[Scene]]) -> None:
    """Everything that is told can be counted again."""
    run, scenes = filmed
    assert [scene.step for scene in scenes] == list(range(1, len(scenes) + 1))
    for place in range(2):
        views = [scene.views[place] for scene in scenes]
        played = [view for i, view in enumerate(views) if i == 0 or view is not views[i - 1]]
        assert [view.steps for view in played] == list(range(1, len(played) + 1))
        flips = np.cumsum([view.chosen != view.wanted for view in played])
        assert [view.flips for view in played] == flips.tolist()
        assert [view.ended for view in played] == [False] * (len(played) - 1) + [True]
        for view in played:
            assert view.chosen == view.on_tampered.argmax()
            assert view.wanted == view.on_clean.argmax()
            assert 0 < np.abs(view.tampered - view.clean.astype(np.float32)).max() <= 1.001
    originals = [scene.views[0] for scene in scenes]
    assert all(view.self_flips == 0 for view in originals), "a deterministic player"
    assert scenes[-1].views[1].self_flips > 0, "a random one"
    assert run.facts.players == ("original", "sap-100")


def test_the_original_values_its_clean_frames_as_it_does(agent: Agent) -> None:
    """Seen from outside: the first stack of the game, asked again."""
    run = FilmedGames(agent, SETTINGS, 3)
    seen = []

    class Spy(WatchedFleet):
        def reset(self, rows: np.ndarray, seeds: np.ndarray) -> None:
            super().reset(rows, seeds)
            assert self.obs is not None
            seen.append(self.obs[rows].copy())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sap_rl.film.games.WatchedFleet", Spy)
        scenes = list(run.play())
    view = scenes[0].views[0]
    np.testing.assert_array_equal(view.clean, seen[0][0, -1])
    np.testing.assert_allclose(view.on_clean, agent.q_values(seen[0])[0].numpy(), rtol=1e-6)


def test_a_game_that_is_over_stays_as_it_ended_while_the_other_goes_on(agent: Agent) -> None:
    """Two players of different length, of which one dies early."""
    run = FilmedGames(agent, SETTINGS, 50)
    games = iter([3, 5])

    def short(_: Arm):  # type: ignore[no-untyped-def]
        length = next(games)
        view = scene.views[0]
        for i in range(length):
            yield replace(view, steps=i + 1, ended=i == length - 1)

    scene = next(iter(FilmedGames(agent, SETTINGS, 1).play()))
    run._game = short  # type: ignore[method-assign]
    steps = [[view.steps for view in found.views] for found in run.play()]
    assert steps == [[1, 1], [2, 2], [3, 3], [3, 4], [3, 5]]


def test_it_ends_after_the_steps_asked_for_and_may_be_abandoned(agent: Agent) -> None:
    run = FilmedGames(agent, SETTINGS, 3)
    assert len(list(run.play())) == 3
    assert len(list(islice(run.play(), 2))) == 2


def test_without_a_defence_one_game_is_filmed(agent: Agent) -> None:
    run = FilmedGames(agent, replace(SETTINGS, defense=None), 2)
    assert [len(scene.views) for scene in run.play()] == [1, 1]
    assert run.facts.players == ("original",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lams": (1.0, 2.0)}, "one lambda above 0, got 1, 2"),
        ({"lams": (0.0,)}, "one lambda above 0, got 0"),
        ({"victims": ("own", "original")}, "one victim, got own, original"),
    ],
)
def test_what_cannot_be_filmed_is_refused(
    agent: Agent, change: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        FilmedGames(agent, replace(SETTINGS, **change), 5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="episode must be at least 0, got -1"):
        FilmedGames(agent, SETTINGS, 5, episode=-1)
