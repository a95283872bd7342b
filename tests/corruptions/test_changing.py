"""Cameras that change from episode to episode."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sap_rl import Camera, UsageError, make_atari
from sap_rl.corruptions.changing import ChangingCamera
from sap_rl.corruptions.spelling import Worst, read_corruptions


def test_spellings() -> None:
    assert read_corruptions("") == ()
    assert read_corruptions("shift, rotate-2,salt-pepper-0.1,salt-pepper") == (
        Worst("shift", 4),
        Worst("rotate", 2),
        Worst("salt-pepper", 0.1),
        Worst("salt-pepper", 0.01),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shfit", "unknown corruption 'shfit'; choose from shift"),
        ("rotatee-2", "unknown corruption 'rotatee'; choose from rotate"),
        ("shift-1.5", "whole, 1..100, got 1.5"),
        ("rotate-0", "above 0, up to 180, got 0"),
        ("rotate-x", "unknown corruption 'rotate-x'"),
    ],
)
def test_what_is_not_one_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_corruptions(text)


def test_every_episode_draws_its_camera() -> None:
    """A third clean, a third each; whole pixels, degrees up to 2, JPEG's quality 95 to 30."""
    camera = ChangingCamera(read_corruptions("shift-3,rotate-2,jpeg-30"), (84, 84))
    drawn = []
    for _ in range(4000):
        camera.begin(0)
        now = camera._cameras[0]
        drawn.append(("clean", 0.0) if now is None else (now.corruption, now.severity))
    shares = Counter(name for name, _ in drawn)
    assert all(abs(shares[name] - 1000) < 120 for name in ("clean", "shift", "rotate", "jpeg"))
    found = {name: [s for n, s in drawn if n == name] for name in shares}
    assert set(found["shift"]) == {1.0, 2.0, 3.0}
    assert 0 < min(found["rotate"]) < 0.05
    assert 1.95 < max(found["rotate"]) <= 2
    assert min(found["jpeg"]) == 30
    assert max(found["jpeg"]) == 95


def test_it_shows_what_the_camera_of_the_episode_would() -> None:
    """Screens and frames side by side; each environment as if it were alone with its camera."""
    seeds = np.arange(12)
    changing = ChangingCamera(read_corruptions("shift-3,occlude-20"), (84, 84))
    envs = make_atari("BankHeist", 12, camera=changing)
    seen, info = envs.reset(seed=seeds)
    for _ in range(3):
        seen, *_, info = envs.step(np.ones(12, np.int64))
    kinds = set()
    for row, camera in changing._cameras.items():
        if camera is None:
            kinds.add("clean")
            np.testing.assert_array_equal(seen[row], info["clean"][row])
            continue
        kinds.add(camera.corruption)
        assert (seen[row] != info["clean"][row]).any()
        if camera.corruption == "shift":
            alone = make_atari("BankHeist", 1, camera=Camera("shift", camera.severity))
            alone.reset(seed=seeds[row : row + 1])
            for _ in range(3):
                expected, *_ = alone.step(np.ones(1, np.int64))
            np.testing.assert_array_equal(seen[row], expected[0])
            alone.close()
    envs.close()
    assert kinds == {"clean", "shift", "occlude"}


def test_draws_follow_from_the_seeds() -> None:
    drawn = []
    for seed in (5, 5, 6):
        camera = ChangingCamera(read_corruptions("rotate"), (84, 84))
        camera.begin(0, seed)
        episodes = []
        for _ in range(20):
            camera.begin(0)
            now = camera._cameras[0]
            episodes.append(now and now.severity)
        drawn.append(episodes)
    assert drawn[0] == drawn[1] != drawn[2]


def test_sizes() -> None:
    with pytest.raises(UsageError, match="occlude 84 pixels does not go with frames of 84x84"):
        ChangingCamera(read_corruptions("occlude-84"), (84, 84))
    with pytest.raises(UsageError, match="does not go with screens of 50x50"):
        ChangingCamera(read_corruptions("shift-60"), (84, 84)).require_fit((50, 50))
