"""What every corruption of the registry promises; a new entry is under contract at once."""

from __future__ import annotations

import hashlib
import inspect

import numpy as np
import pytest

from sap_rl import CORRUPTIONS, Camera, CorruptionViolation, UsageError
from sap_rl.corruptions.entry import Moment

SHAPES = ((210, 160), (84, 84), (84, 84, 3))
GOLDEN = {
    ("shift", 1): "d0656142c468cdb5",
    ("rotate", 1): "66eb29644bded950",
    ("scale", 1): "0cc52311415c9b3d",
    ("brightness", 1): "aa466f78be7d7678",
    ("contrast", 1): "5d121ee7e62572b9",
    ("blur", 1): "d1493ffe51c66ea3",
    ("gaussian", 1): "bdc4e77ae64728cc",
    ("salt-pepper", 1): "6567859f943a4fa0",
    ("occlude", 1): "0f1452380e2c0276",
    ("freeze", 1): "b7188b00be7cbef7",
    ("delay", 1): "4780b15eade63b2f",
}


def pictures(shape: tuple[int, ...], count: int = 4) -> list[np.ndarray]:
    """Noise, soft slopes, black and white."""
    rng = np.random.default_rng(3)
    noise = [rng.integers(0, 256, shape, np.uint8) for _ in range(count - 3)]
    slope = np.arange(np.prod(shape)).reshape(shape) * 255 // np.prod(shape)
    return [
        *noise,
        slope.astype(np.uint8),
        np.zeros(shape, np.uint8),
        np.full(shape, 255, np.uint8),
    ]


def middle(name: str) -> float:
    suite = CORRUPTIONS[name].severity.suite
    return suite[len(suite) // 2]


def shown(name: str, severity: float, given: list[np.ndarray], seed: int = 5) -> list[np.ndarray]:
    camera = Camera(name, severity)
    camera.begin(0, seed)
    return [camera.show(0, picture) for picture in given]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_it_says_what_it_is(name: str) -> None:
    entry = CORRUPTIONS[name]
    assert inspect.getdoc(entry.apply)
    assert entry.limit.endswith(".")
    assert entry.version >= 1
    severity = entry.severity
    worse = sorted(severity.suite, reverse=severity.falling)
    assert list(severity.suite) == worse
    for value in severity.suite:
        entry.check(name, value)
    assert severity.unit in severity.text(2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_its_referee_lets_it_be_at_every_severity(name: str, shape: tuple[int, ...]) -> None:
    """Pictures are the caller's; the same seed gives the same bits."""
    severity = CORRUPTIONS[name].severity
    given = pictures(shape)
    kept = [picture.copy() for picture in given]
    least = severity.least or (1 if severity.whole else 0.01)
    for value in (least, *severity.suite, severity.most):
        if severity.unit == "pixels" and value >= min(shape[:2]):
            continue
        first = shown(name, value, given)
        for a, b in zip(first, shown(name, value, given), strict=True):
            np.testing.assert_array_equal(a, b)
        for picture, before in zip(given, kept, strict=True):
            np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_random_means_that_seeds_differ(name: str) -> None:
    given = pictures((84, 84), 12)
    found = [np.stack(shown(name, middle(name), given, seed)) for seed in (1, 2)]
    assert CORRUPTIONS[name].random == (not np.array_equal(*found))
    assert not np.array_equal(found[0], np.stack(given))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_more_severe_is_farther_away(name: str) -> None:
    """The mean change over moving pictures rises with the severity, from mild to severe."""
    rng = np.random.default_rng(0)
    soft = [rng.integers(0, 256, (21, 21), np.uint8).repeat(4, 0).repeat(4, 1) for _ in range(40)]
    suite = CORRUPTIONS[name].severity.suite
    moved = []
    for value in (suite[0], suite[-1]):
        pairs = zip(shown(name, value, soft), soft, strict=True)
        moved.append(np.mean([abs(a.astype(float) - b).mean() for a, b in pairs]))
    assert moved[0] < moved[1]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_its_referee_objects_to_another_picture(name: str) -> None:
    """A soft picture with one pixel that nothing near explains, or of another size."""
    entry, value = CORRUPTIONS[name], CORRUPTIONS[name].severity.suite[0]
    rng = np.random.default_rng(0)
    before = rng.integers(60, 70, (84, 84), np.uint8)
    assert not entry.referee(before, 255 - before, value, Moment(rng))

    def broken(picture: np.ndarray, severity: float, moment: Moment) -> np.ndarray:
        return picture[:-1]

    spoiler = type(entry)(broken, entry.referee, entry.severity, entry.acts_on)
    with pytest.raises(CorruptionViolation, match="outside its limits"):
        spoiler(before, value, Moment(rng))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severities_that_it_does_not_take(name: str) -> None:
    severity = CORRUPTIONS[name].severity
    for value in (0.0, -1.0, float("nan"), float("inf"), severity.most * 2):
        with pytest.raises(UsageError, match=f"severity of {name} is in {severity.unit}"):
            Camera(name, value)
    if severity.whole:
        with pytest.raises(UsageError, match="whole"):
            Camera(name, severity.suite[0] + 0.5)


def fingerprint(name: str) -> str:
    """Of what it makes of soft pictures; JPEG's bits are its library's."""
    rng = np.random.default_rng(7)
    shape = (210, 160) if CORRUPTIONS[name].acts_on == "screen" else (84, 84)
    given = [rng.integers(0, 256, shape, np.uint8) for _ in range(6)]
    digest = hashlib.sha256(np.stack(shown(name, middle(name), given)).tobytes())
    return digest.hexdigest()[:16]


def test_golden() -> None:
    """If one changes, raise its entry's version: stored cells are keyed by it."""
    names = [name for name in CORRUPTIONS if CORRUPTIONS[name].package is None]
    assert {(n, CORRUPTIONS[n].version): fingerprint(n) for n in names} == GOLDEN
