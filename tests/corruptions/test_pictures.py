"""Corruptions by hand, and against naive twins."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sap_rl import CORRUPTIONS, Camera, Preprocess, Protocol, UsageError, make_atari
from sap_rl.atari.fleet import make_fleet
from sap_rl.corruptions.entry import Moment
from sap_rl.corruptions.warp import warped
from sap_rl.play.arms import level_text


def apply(name: str, picture: Any, severity: float) -> np.ndarray:
    moment = Moment(np.random.default_rng(0), (0.5, 0.99))
    return CORRUPTIONS[name].apply(np.array(picture, np.uint8), severity, moment)


def test_by_hand() -> None:
    assert apply("shift", [[1], [2], [3]], 1).tolist() == [[0], [1], [2]]
    assert apply("brightness", [[0, 200, 250]], 10).tolist() == [[10, 210, 255]]
    assert apply("contrast", [[0, 128, 255]], 50).tolist() == [[64, 128, 192]]
    assert apply("contrast", [[0, 128, 255]], 100).tolist() == [[128, 128, 128]]
    assert apply("occlude", np.ones((4, 4)), 2).tolist() == [
        [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1],
    ]  # fmt: skip


def test_turns_of_right_angles_are_exact_and_scale_doubles() -> None:
    square = np.random.default_rng(0).integers(0, 256, (7, 7), np.uint8)
    np.testing.assert_array_equal(apply("rotate", square, 90), np.rot90(square))
    np.testing.assert_array_equal(apply("rotate", square, 180), square[::-1, ::-1])
    tall = np.random.default_rng(1).integers(0, 256, (9, 5), np.uint8)
    doubled = apply("scale", tall, 100)
    np.testing.assert_array_equal(doubled[::2, ::2], tall[2:7, 1:4])
    between = doubled[0, 1]
    assert between == np.rint((float(tall[2, 1]) + tall[2, 2]) / 2)


def test_warping_is_what_a_loop_does() -> None:
    rng = np.random.default_rng(2)
    picture, matrix = rng.integers(0, 256, (6, 8), np.uint8), (0.9, 0.2, -0.3, 1.1)
    expected = np.zeros((6, 8))
    for i in range(6):
        for j in range(8):
            down, across = i - 2.5, j - 3.5
            y = matrix[0] * down + matrix[1] * across + 2.5
            x = matrix[2] * down + matrix[3] * across + 3.5
            for r in range(6):
                for c in range(8):
                    expected[i, j] += (
                        picture[r, c] * max(0, 1 - abs(y - r)) * max(0, 1 - abs(x - c))
                    )
    assert abs(warped(picture, matrix) - expected).max() <= 0.5 + 1e-3  # rounding


def test_noise_has_the_moments_that_it_names() -> None:
    grey = np.full((84, 84), 128, np.uint8)
    rng = np.random.default_rng(0)
    moment = Moment(rng)
    noisy = np.stack([CORRUPTIONS["gaussian"].apply(grey, 10.0, moment) for _ in range(50)])
    assert abs(noisy.mean() - 128) < 0.1
    assert abs(noisy.std() - 10) < 0.1
    spoilt = np.stack([CORRUPTIONS["salt-pepper"].apply(grey, 0.1, moment) for _ in range(50)])
    assert abs((spoilt == 0).mean() - 0.05) < 0.002
    assert abs((spoilt == 255).mean() - 0.05) < 0.002


def test_blur_keeps_the_mean_and_spreads_by_sigma() -> None:
    point = np.zeros((41, 41), np.uint8)
    point[20, 20] = 255
    soft = apply("blur", point, 1.0).astype(float)
    assert soft[20, 20] == np.rint(255 * 0.15927)  # (0.39908...)^2 of a kernel cut at 3 sigma
    assert soft.argmax() == 20 * 41 + 20


def show_all(name: str, severity: float, count: int = 30) -> list[int]:
    camera = Camera(name, severity)
    camera.begin(0, 1)
    return [int(camera.show(0, np.full((4, 4), i, np.uint8))[0, 0]) for i in range(count)]


def test_time() -> None:
    assert show_all("delay", 2, 6) == [0, 0, 0, 1, 2, 3]
    frozen = show_all("freeze", 0.5, 200)
    assert frozen[0] == 0
    assert all(now in (i, before) for i, (before, now) in enumerate(pairwise(frozen), 1))
    kept = np.mean([now == i for i, now in enumerate(frozen)])
    assert 0.4 < kept < 0.6


def play(envs: Any, steps: int = 12, seed: Any = 3) -> list[Any]:
    rng = np.random.default_rng(0)
    found = [envs.reset(seed=seed)]
    for _ in range(steps):
        obs, *_, info = envs.step(rng.integers(4, size=envs.num_envs))
        found.append((obs, info))
    envs.close()
    return found


@pytest.mark.parametrize("name", ["shift", "gaussian", "delay"])
def test_environments_seen_through_a_camera(name: str) -> None:
    """What would be seen without it is bit for bit what other environments show."""
    clean = play(make_atari("Breakout", 2))
    seen = play(make_atari("Breakout", 2, camera=Camera(name, 4)))
    for (obs, _), (_, info) in zip(clean, seen, strict=True):
        np.testing.assert_array_equal(info["clean"], obs)
    assert any((spoilt != info["clean"]).any() for spoilt, info in seen)
    if name == "delay":
        np.testing.assert_array_equal(seen[-1][0][:, -1], clean[-5][0][:, -1])


def test_an_episode_is_the_same_in_any_company() -> None:
    """Draws follow from the seed of its reset, frame by frame, not from its place."""
    alone = play(make_atari("Breakout", 1, camera=Camera("gaussian", 9)), seed=np.array([8]))
    beside = make_atari("Breakout", 2, camera=Camera("gaussian", 9))
    first = beside.reset(seed=np.array([4, 8]))[0]
    np.testing.assert_array_equal(first[1], alone[0][0][0])
    beside.close()


def test_colour_and_other_preprocessing() -> None:
    sees = Preprocess(grey="none", frames=2, fill="repeat")
    for name in ("rotate", "gaussian"):
        obs, info = make_atari("Breakout", preprocess=sees, camera=Camera(name, 2)).reset(seed=0)
        assert obs.shape == info["clean"].shape == (1, 6, 84, 84)
        np.testing.assert_array_equal(obs[:, :3], obs[:, 3:])
        assert (obs != info["clean"]).any()


def test_a_fleet_tells_both() -> None:
    fleet = make_fleet(
        "Breakout", 3, protocol=Protocol(), preprocess=Preprocess(),
        camera=lambda: Camera("shift", 10),
    )  # fmt: skip
    fleet.reset(np.arange(3), np.array([1, 2, 3]))
    assert fleet.obs is not None
    assert fleet.seen is not None
    assert (fleet.obs[:, -1] != fleet.seen[:, -1]).any((1, 2)).all()
    fleet.close()


def test_severities_and_sizes() -> None:
    assert level_text(None, 4) == "lambda 4"
    assert level_text("rotate", 0.5) == "rotate 0.5 degrees"
    assert level_text("shift", 1) == "shift 1 pixel"
    assert level_text("jpeg", 30) == "jpeg quality 30"
    with pytest.raises(UsageError, match="at most 83"):
        make_atari("Breakout", camera=Camera("occlude", 90))
    with pytest.raises(UsageError, match="choose from rotate"):
        Camera("rotat", 1)


def test_jpeg_without_pillow_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(UsageError, match=r"corruption 'jpeg' needs pillow: pip install 'sap-rl"):
        Camera("jpeg", 50)
