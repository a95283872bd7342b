"""What a film shows, decoded again."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from sap_rl.atari.env import action_names
from sap_rl.errors import UsageError
from sap_rl.film.file import (
    check_film_path,
    film_bytes,
    film_caption,
    film_steps,
    film_within,
)
from sap_rl.film.painter import (
    GAME,
    GAP,
    HEAD,
    MARGIN,
    PANEL,
    TINTS,
    FilmPainter,
    action_lines,
    values_span,
)
from tests.film.scenes import ACTIONS, FACTS, scenes

TOP = HEAD + 34 + 16
"""Of the first player's frames."""


def panel(picture: Any, place: int, player: int = 0) -> np.ndarray:
    """Red of the panel's pixels, one for each that the player sees."""
    left, top = MARGIN + place * (PANEL + GAP), TOP + player * GAME
    box = picture.crop((left, top, left + PANEL, top + PANEL))
    return np.asarray(box)[::2, ::2, 0].astype(int)


def decoded(data: bytes) -> list[Any]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def test_the_three_frames_are_the_games_the_attackers_and_the_players() -> None:
    scene = scenes(2)[0]
    picture = FilmPainter(FACTS, 2.0).picture(scene)
    for player in range(2):
        np.testing.assert_array_equal(panel(picture, 0, player), scene.views[player].clean)
        np.testing.assert_array_equal(panel(picture, 2, player), scene.views[player].tampered)
        magnified = panel(picture, 1, player)
        assert set(magnified[:32, :42].flat) == {255}, "lambda is white"
        assert set(magnified[:32, 42:].flat) == {0}, "minus lambda is black"
        assert set(magnified[33:51, 33:51].flat) == {128}, "nothing is grey"


def test_bars_and_labels_mark_what_is_wanted_and_what_is_chosen() -> None:
    (scene,) = scenes(1)
    picture = FilmPainter(FACTS, 1.5).picture(scene)
    tint = tuple(int(TINTS[0][i : i + 2], 16) for i in (1, 3, 5))
    slot = (picture.width - 2 * MARGIN) / 4
    bars = TOP + PANEL + 12
    middle, label = bars + 52, bars + 104 + 30
    pixels = picture.load()
    assert pixels[MARGIN + 3.5 * slot + 3, middle - 40] == tint, "1.5 above the mean: to the top"
    assert pixels[MARGIN + 0.5 * slot + 3, middle - 40] != tint
    assert pixels[MARGIN + 0.5 * slot + 3, middle + 17] == tint, "an edge at 0.5 below the mean"
    assert pixels[MARGIN + 3 * slot + 6, label] == tint, "chosen: filled"
    assert pixels[MARGIN + 6, label] != tint, "wanted: framed, not filled"
    assert pixels[MARGIN + 2, label] == (0xF2, 0xF4, 0xF7)


def test_long_names_stay_in_the_picture_and_leave_the_score_alone() -> None:
    (scene,) = scenes(1)
    names = ("original", f"agent:{'BankHeist-hardened-' * 2}4")
    long = replace(FACTS, agent="a-name-as-long-as-people-give-them" * 2, players=names)
    drawn, usual = (FilmPainter(facts, 1.5).picture(scene) for facts in (long, FACTS))
    margin = np.asarray(drawn.crop((drawn.width - MARGIN, 0, drawn.width, HEAD)))
    assert (margin == margin[0, 0]).all(), "the title ends before the margin"
    row = (360, HEAD + GAME + 6, drawn.width, HEAD + GAME + 32)
    gap = np.asarray(drawn.crop(row)), np.asarray(usual.crop(row))
    right = (gap[1] != gap[1][0, 0]).any((0, 2)).argmax()
    np.testing.assert_array_equal(gap[0][:, right:], gap[1][:, right:])


def test_bars_longer_than_the_scale_are_cut() -> None:
    (scene,) = scenes(1)
    big = replace(scene.views[0], on_tampered=np.array([0, 0, 0, 1e6], np.float32))
    painter = FilmPainter(FACTS, 1.0)
    picture = painter.picture(replace(scene, views=(big, scene.views[1])))
    np.testing.assert_array_equal(panel(picture, 2), scene.views[0].tampered)


def test_the_scale_leaves_out_only_the_longest() -> None:
    found = scenes(40)
    assert values_span(found) == 1.5, "3 is 1.5 above the mean of 3, 1, 1, 1"
    big = replace(found[0].views[0], on_clean=np.array([0, 0, 0, 1e6], np.float32))
    assert values_span([replace(found[0], views=(big, big)), *found]) == 1.5
    assert values_span([]) == 1.0


@pytest.mark.parametrize("game", ["BankHeist", "Pong"])
def test_every_action_has_a_short_name_of_its_own(game: str) -> None:
    lines = [action_lines(name) for name in action_names(game)]
    assert len(set(lines)) == len(lines)
    assert all(len(part) == 1 for line in lines for part in line)
    assert action_lines("DOWNLEFTFIRE") == ("↙", "F")


def test_an_mp4_plays_every_scene_at_half_the_consoles_speed() -> None:
    found = scenes(15)
    data = film_bytes(found, FACTS, ".mp4")
    assert data.index(b"moov") < data.index(b"mdat"), "plays before it is loaded whole"
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert container.duration / 1e6 == pytest.approx(15 * 2 / 15, abs=0.01)
    pictures = decoded(data)
    assert len(pictures) == 15
    painter = FilmPainter(FACTS, values_span(found))
    for i in (0, 14):
        wanted = np.asarray(painter.picture(found[i]), dtype=int)
        # Seen at this quality: 1.1 on average.
        assert np.abs(np.asarray(pictures[i], dtype=int) - wanted).mean() < 3
    assert np.abs(panel(pictures[0], 1)[33:51, 33:51] - 128).max() < 10


def test_a_gif_plays_every_scene_at_half_the_consoles_speed() -> None:
    data = film_bytes(scenes(4), FACTS, ".gif")
    image = Image.open(io.BytesIO(data))
    assert image.n_frames == 4  # type: ignore[attr-defined]
    assert image.info["loop"] == 0
    assert image.info["duration"] == 130, "2/15 s in hundredths"
    np.testing.assert_allclose(panel(image.convert("RGB"), 0), scenes(1)[0].views[0].clean, atol=8)
    colours = {colour for _, colour in image.convert("RGB").getcolors(100_000)}
    for tint in TINTS:
        assert tuple(int(tint[i : i + 2], 16) for i in (1, 3, 5)) in colours, "seldom, but there"


def test_a_film_fits_its_size_and_is_cut_rather_than_blurred() -> None:
    found = scenes(12, noise=0)
    whole = film_within(found, FACTS, 10_000_000)
    assert len(decoded(whole.data)) == 12
    assert (whole.width, whole.height) == Image.open(io.BytesIO(whole.poster)).size
    assert f"score {120:g} after 12 steps" in whole.caption
    limit = len(whole.data) // 4
    short = film_within(found, FACTS, limit)
    kept = len(decoded(short.data))
    assert len(short.data) <= limit
    assert 0 < kept < 12
    assert f"score {10 * kept:g} after {kept} steps" in short.caption, "of what is shown"
    with pytest.raises(UsageError, match="no film fits into 10 bytes"):
        film_within(found, FACTS, 10)


def test_the_caption_says_what_is_filmed() -> None:
    caption = film_caption(scenes(2), FACTS)
    for words in (
        "BankHeist: sap-100 on agent BankHeist, fgsm with lambda 2",
        "seed 7, episode 3 (emulator seed 123)",
        "own game from the same start",
        "original under own gradient: score 20 after 2 steps, 2 actions flipped",
        "sap-100 under original's gradient: score 20 after 2 steps",
        "game over",
    ):
        assert words in caption
    assert caption.count("game over") == 1
    alone = replace(FACTS, players=("original",), victims=("own",))
    one = [replace(scene, views=scene.views[:1]) for scene in scenes(2)]
    assert "sap-100" not in film_caption(one, alone)
    assert film_bytes(one, alone, ".mp4")


def test_a_films_length_in_steps() -> None:
    assert film_steps(20, 4 / 60) == 150
    assert film_steps(0.001, 4 / 60) == 1


@pytest.mark.parametrize("name", ["x.avi", "x", "x.mp4.txt"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown kind of film '.*'; choose from .*\.mp4"):
        check_film_path(Path(name))
    check_film_path(Path("X.MP4"))


def test_names_of_actions_are_the_emulators() -> None:
    assert action_names("Pong") == ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")
    assert set(ACTIONS) <= set(action_names("bank_heist"))
