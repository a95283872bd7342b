"""Everything a network may see of a game: pixel for pixel what others made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import cv2
import gymnasium
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv

from sap_rl import Preprocess, Protocol, UsageError, make_atari
from sap_rl.atari.env import num_actions, screen_size
from sap_rl.atari.preprocess import parse_preprocess, preprocess_entries
from sap_rl.atari.screen import Lens

AREA = cv2.INTER_AREA
COLOURS = np.random.default_rng(0).integers(256, size=(3, 210, 160, 3), dtype=np.uint8)


def opencv_grey(screen: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(screen, cv2.COLOR_RGB2GRAY)


def warped(screen: np.ndarray) -> np.ndarray:
    """Stable-Baselines3, Tianshou, PFRL and PA-AD."""
    return cv2.resize(opencv_grey(screen), (84, 84), interpolation=AREA)


def resized_first(screen: np.ndarray) -> np.ndarray:
    """CleanRL."""
    return opencv_grey(cv2.resize(screen, (84, 84), interpolation=AREA))


def square(screen: np.ndarray) -> np.ndarray:
    """SA-DQN and RADIAL v2 on Pong."""
    wide = np.pad(opencv_grey(screen), ((0, 0), (4, 4)))
    return cv2.resize(wide[21 + 10 : 189 + 10], (84, 84), interpolation=AREA)


def eighty(screen: np.ndarray) -> np.ndarray:
    """RADIAL v1, rounded to pixels."""
    return np.rint(cv2.resize(screen[34:194].astype(np.float32).mean(2), (80, 80)))


SEEN: dict[str, tuple[Preprocess, Callable[[np.ndarray], np.ndarray]]] = {
    "warped": (Preprocess(grey="pooled"), warped),
    "resized first": (Preprocess(grey="resized"), resized_first),
    "square": (Preprocess(grey="pooled", crop=(31, -4, 168, 168)), square),
    "eighty": (
        Preprocess(height=80, width=80, crop=(34, 0, 160, 160), grey="pooled", luma="mean",
                   interpolation="linear"), eighty,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SEEN)
def test_pixels_are_opencvs(kind: str) -> None:
    preprocess, theirs = SEEN[kind]
    found = Lens(preprocess, (210, 160))(COLOURS)
    expected = np.stack([theirs(screen) for screen in COLOURS])
    if kind == "eighty":  # halves of a mean of 12 numbers, which float32 puts on either side
        assert int(np.abs(found.astype(int) - expected).max()) <= 1
        assert float((found != expected).mean()) < 0.05
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(84, 84), (80, 80), (42, 42), (96, 64), (70, 40), (105, 80)])
@pytest.mark.parametrize("screen", [(210, 160), (250, 160)])
def test_areas_of_any_size(size: tuple[int, int], screen: tuple[int, int]) -> None:
    """Whole blocks of pixels, halves to even, fractions: OpenCV's three ways of rounding."""
    grey = np.random.default_rng(1).integers(256, size=(2, *screen), dtype=np.uint8)
    found = Lens(Preprocess(height=size[0], width=size[1]), screen)(grey)
    expected = [cv2.resize(one, size[::-1], interpolation=AREA) for one in grey]
    np.testing.assert_array_equal(found, np.stack(expected))


def test_linear_interpolation_is_within_a_level() -> None:
    grey = COLOURS[..., 0].copy()
    found = Lens(Preprocess(interpolation="linear", height=100), (210, 160))(grey)
    expected = [cv2.resize(one, (84, 100), interpolation=cv2.INTER_LINEAR) for one in grey]
    # OpenCV rounds its weights to 1/2048 and twice on the way.
    assert int(np.abs(found.astype(int) - np.stack(expected)).max()) <= 1


def test_a_crop_beyond_the_screen_is_black() -> None:
    white = np.full((1, 210, 160), 255, np.uint8)
    sees = Preprocess(crop=(-84, -84, 168, 168))
    seen = Lens(sees, (210, 160))(white)[0]
    assert seen[:42].max() == seen[:, :42].max() == 0
    assert seen[42:, 42:].min() == 255


class Emulator:
    """Screens [210, 160, 3] of a game, pooled over two emulator frames."""

    def __init__(self, game: str) -> None:
        self.envs = AtariVectorEnv(
            game, 1, img_height=210, img_width=160, grayscale=False, stack_num=1, noop_max=0,
            num_threads=1,
        )  # fmt: skip

    def reset(self) -> np.ndarray:
        return self.envs.reset(seed=0)[0][0, 0]

    def step(self, action: int) -> np.ndarray:
        return self.envs.step(np.array([action]))[0][0, 0]


@pytest.mark.parametrize("kind", ["warped", "resized first", "square"])
@pytest.mark.parametrize("fill", ["zero", "repeat"])
def test_the_world_is_built_from_it(kind: str, fill: Any) -> None:
    """Stacks of what the others' wrappers would make of the same screens."""
    sees, theirs = SEEN[kind]
    sees = Preprocess(grey=sees.grey, crop=sees.crop, fill=fill, frames=3)
    envs = make_atari("MsPacman", preprocess=sees, protocol=Protocol(noop_max=0))
    emulator, rng = Emulator("ms_pacman"), np.random.default_rng(4)
    frame = theirs(emulator.reset())
    stack = [frame if fill == "repeat" else np.zeros_like(frame)] * 2 + [frame]
    obs, _ = envs.reset(seed=0)
    for _ in range(30):
        np.testing.assert_array_equal(obs[0], np.stack(stack))
        action = int(rng.integers(9))
        stack = [*stack[1:], theirs(emulator.step(action))]
        obs = envs.step(np.array([action]))[0]
    envs.close()


def test_stable_baselines3s_own_wrappers_give_these_pixels() -> None:
    import ale_py
    from stable_baselines3.common.atari_wrappers import MaxAndSkipEnv, WarpFrame

    gymnasium.register_envs(ale_py)
    env: Any = gymnasium.make("MsPacmanNoFrameskip-v4")
    env = WarpFrame(MaxAndSkipEnv(env, skip=4))
    sees = Preprocess(grey="pooled", frames=1)
    envs = make_atari("MsPacman", preprocess=sees, protocol=Protocol(noop_max=0))
    obs, theirs = envs.reset(seed=0)[0], env.reset(seed=0)[0]
    rng, differs = np.random.default_rng(1), 0
    plain = make_atari("MsPacman", preprocess=Preprocess(frames=1), protocol=Protocol(noop_max=0))
    plain.reset(seed=0)
    for _ in range(60):
        np.testing.assert_array_equal(obs[0, 0], theirs[..., 0])
        action = int(rng.integers(9))
        obs, theirs = envs.step(np.array([action]))[0], env.step(action)[0]
        differs += int((plain.step(np.array([action]))[0] != obs).any())
    assert differs > 0, "the emulator's own grey is another"


@pytest.mark.parametrize("preprocess", [Preprocess(fill="zero", grey="pooled"),
                                        Preprocess(first_actions=4)])  # fmt: skip
def test_the_same_contract_as_the_emulators_own_stacks(preprocess: Preprocess) -> None:
    """NEXT_STEP, ends, partial resets with seeds, rewards, infos: on a game of steady colours."""
    protocol = Protocol(max_frames=400)
    pair = [make_atari("Breakout", 3, protocol=protocol, preprocess=p)
            for p in (None, preprocess)]  # fmt: skip
    rng = np.random.default_rng(0)
    results: list[Any] = [envs.reset(seed=3) for envs in pair]
    ends = 0
    for step in range(260):
        for plain, other in zip(results[0], results[1], strict=True):
            if isinstance(plain, dict):
                for key in ("lives", "episode_frame_number"):
                    np.testing.assert_array_equal(other[key], plain[key])
            else:
                np.testing.assert_array_equal(other, plain)
        assert results[1][0].dtype == np.uint8
        if step == 130:
            masks = [np.array([True, False, True]) for _ in pair]
            results = [
                envs.reset(seed=np.array([5, 9]), options={"reset_mask": mask})
                for envs, mask in zip(pair, masks, strict=True)
            ]
            continue
        actions = rng.integers(4, size=3)
        results = [envs.step(actions) for envs in pair]
        ends += int((results[0][2] | results[0][3]).sum())
    assert ends >= 6
    before = results[1][0].copy()
    pair[1].step(np.zeros(3, np.int64))
    np.testing.assert_array_equal(results[1][0], before)  # arrays are the caller's
    for envs in pair:
        envs.close()


def test_golden_frames() -> None:
    """If this changes, imported agents see another game: say so in CHANGELOG under [results]."""
    found = {}
    for kind, (sees, _) in SEEN.items():
        envs = make_atari("MsPacman", 2, preprocess=sees)
        rng, digest = np.random.default_rng(11), hashlib.sha256(envs.reset(seed=7)[0].tobytes())
        for _ in range(20):
            digest.update(envs.step(rng.integers(9, size=2))[0].tobytes())
        envs.close()
        found[kind] = digest.hexdigest()[:16]
    assert found == GOLDEN


GOLDEN: dict[str, str] = {
    "warped": "c7d833f206c6db22",
    "resized first": "20c231bb0e70fbfc",
    "square": "116fc6c334dd6b0b",
    "eighty": "906ea3a6ee737886",
}


def test_actions_and_stickiness() -> None:
    assert num_actions("Pong") == 6
    assert screen_size("air_raid") == (250, 160)
    envs = make_atari("BankHeist", preprocess=Preprocess(first_actions=6))
    assert envs.single_action_space.n == 6  # type: ignore[attr-defined]
    assert envs.action_space.nvec.tolist() == [6]  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="first_actions=7, but the game has 6 actions"):
        make_atari("Pong", preprocess=Preprocess(first_actions=7))
    looks = []
    for sees, rules in (
        (Preprocess(sticky_actions=0.5), Protocol(noop_max=0)),
        (Preprocess(), Protocol(noop_max=0, sticky_actions=0.5)),
        (Preprocess(), Protocol(noop_max=0)),
    ):
        envs = make_atari("Pong", preprocess=sees, protocol=rules)
        envs.reset(seed=1)
        looks.append([envs.step(np.array([2 + step % 2]))[0] for step in range(30)][-1])
        envs.close()
    assert np.array_equal(looks[0], looks[1])
    assert not np.array_equal(looks[0], looks[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames must be at least 1, got 0"),
        ({"height": 10**9}, "height must lie in 0..512, got 1000000000"),
        ({"first_actions": 19}, "first_actions must lie in 0..18, got 19"),
        ({"sticky_actions": 2.0}, "sticky_actions must lie in 0..1, got 2.0"),
        ({"luma": "mean"}, "luma=mean needs grey=pooled or grey=resized"),
        ({"crop": (1, 2, 3)}, "crop is top,left,height,width, got [1, 2, 3]"),
        ({"crop": (0, 0, 0, 9)}, "crop cannot be [0, 0, 0, 9]"),
        ({"crop": (0, 0, 80, 80)}, "interpolation=area only shrinks: a crop of 80x80"),
    ],
)
def test_entries_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Preprocess(**options)
    assert str(refusal.value).startswith(message)


def test_worlds_refused() -> None:
    with pytest.raises(UsageError, match=r"crop \[400, 0, 168, 168\] shows nothing of a screen"):
        make_atari("Pong", preprocess=Preprocess(crop=(400, 0, 168, 168)))
    with pytest.raises(UsageError, match="a screen of 210x160 does not become 300x84"):
        make_atari("Pong", preprocess=Preprocess(height=300, grey="pooled"))


def test_entries_as_people_type_them() -> None:
    texts = ["scale=pixels", "crop=31,-4,168,168", "frames=1", "full-action-space=true",
             "sticky_actions=0.25"]  # fmt: skip
    assert parse_preprocess(texts) == {
        "scale": "pixels", "crop": (31, -4, 168, 168), "frames": 1, "full_action_space": True,
        "sticky_actions": 0.25,
    }  # fmt: skip
    assert preprocess_entries({"crop": [1, 2, 3, 4], "frames": 2}) == {
        "crop": (1, 2, 3, 4), "frames": 2
    }  # fmt: skip
    assert parse_preprocess(["crop="]) == {"crop": ()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale", "preprocess is key=value, e.g. scale=unit, got 'scale'"),
        ("colour=1", "unknown preprocess entry 'colour'; choose from layout, frames, height"),
        ("grey=late", "unknown grey 'late'; choose from first, pooled, resized"),
        ("scale=byte", "unknown scale 'byte'; choose from unit, pixels"),
        ("frames=four", "preprocess frames: cannot use 'four'"),
        ("full_action_space=maybe", "preprocess full_action_space: cannot use 'maybe'"),
        ("crop=a,b", "preprocess crop: cannot use 'a,b'"),
        ("sticky_actions=often", "preprocess sticky_actions: cannot use 'often'"),
    ],
)
def test_texts_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_preprocess([text])
    assert str(refusal.value).startswith(message)


def test_mappings_refused() -> None:
    for entries in ({"frames": 4.0}, {"frames": True}, {"crop": 5}):
        with pytest.raises(UsageError, match="cannot use"):
            preprocess_entries(entries)
    with pytest.raises(UsageError, match="unknown scale '3'; choose from unit, pixels"):
        preprocess_entries({"scale": 3})
