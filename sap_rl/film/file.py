"""Films of attacked games as MP4 or GIF; needs the extra `report`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sap_rl.errors import UsageError, unknown
from sap_rl.extras import FILMS, require
from sap_rl.film.games import FilmFacts, Scene, View
from sap_rl.film.painter import (
    BACK,
    FAINT,
    INK,
    LINE,
    TINTS,
    FilmPainter,
    values_span,
)
from sap_rl.play.arms import gradient_words

SUFFIXES = (".mp4", ".gif")
SLOWDOWN = 2
"""A film runs at half the speed of the console: faster, nobody can read the action values."""
CRF, WORST_CRF = 24, 29
"""Quality of the video where its size does not matter, and the worst at which small text is still
sharp; both seen, not computed."""
X264: dict[str, object] = {"preset": "fast", "aq-mode": "1", "aq-strength": "3", "psy": "0"}
"""The perturbation is noise and would eat the bits that text needs; a strong adaptive quantisation
without psychovisual tuning leaves them to the flat parts (half the size at equal sharpness)."""
GREYS = 48
"""Greys in a GIF's palette; the other colours are the players', pure and mixed for edges."""


@dataclass(frozen=True)
class Film:
    """An encoded film; caption: everything it is of, in one paragraph; poster: a JPEG of it."""

    data: bytes
    caption: str
    poster: bytes
    width: int
    height: int


def check_film_path(path: Path) -> None:
    """Refuse a file whose ending names no film, and any where the extra is missing."""
    if path.suffix.lower() not in SUFFIXES:
        raise unknown("kind of film", path.suffix, SUFFIXES)
    require(FILMS, "films")


def film_steps(seconds: float, step_seconds: float) -> int:
    """How many agent steps such a film shows, at least one."""
    return max(1, round(seconds / (step_seconds * SLOWDOWN)))


def film_bytes(scenes: Sequence[Scene], facts: FilmFacts, suffix: str) -> bytes:
    """The film in the format that a file's ending names, at full quality."""
    painter = FilmPainter(facts, values_span(scenes))
    return (_gif if suffix.lower() == ".gif" else _mp4)(scenes, painter)


def film_within(scenes: Sequence[Scene], facts: FilmFacts, max_bytes: int) -> Film:
    """An MP4 of at most that size: of less quality where it must, then with fewer scenes."""
    painter = FilmPainter(facts, values_span(scenes))
    data = _mp4(scenes, painter)
    if len(data) > max_bytes:
        data = _mp4(scenes, painter, WORST_CRF)
    while len(data) > max_bytes:
        scenes = scenes[: int(0.95 * len(scenes) * max_bytes / len(data))]
        if not scenes:
            raise UsageError(f"no film fits into {max_bytes:,} bytes")
        data = _mp4(scenes, painter, WORST_CRF)
    picture = painter.picture(scenes[len(scenes) // 2])
    poster = io.BytesIO()
    picture.save(poster, "JPEG", quality=70)
    return Film(data, film_caption(scenes, facts), poster.getvalue(), *picture.size)


def film_caption(scenes: Sequence[Scene], facts: FilmFacts) -> str:
    """What is played and by whom, under which attack, and how it stands at the end."""
    ends = zip(facts.players, facts.victims, scenes[-1].views, strict=True)
    games = "; ".join(_end_words(name, victim, view) for name, victim, view in ends)
    each = "Each player plays its own game from the same start. " if len(facts.players) > 1 else ""
    defended = f"{facts.players[-1]} on " if len(facts.players) > 1 else ""
    return (
        f"{facts.game}: {defended}agent {facts.agent}, {' with '.join(facts.under)}, "
        f"seed {facts.seed}, episode {facts.episode} (emulator seed {facts.emulator_seed}), at "
        f"half the speed of the console. {each}Shown is the newest frame that the player gets. At "
        f"the end: {games}. One game is no result: the tables are."
    )


def _end_words(name: str, victim: str, view: View) -> str:
    under = f" under {gradient_words(victim)}" if victim else ""
    words = (
        f"{name}{under}: score {view.score:g} after {view.steps} steps, "
        f"{view.flips} actions flipped"
    )
    if view.self_flips:
        words += f", {view.self_flips} differ between two looks at the clean frame"
    return words + (", game over" if view.ended else "")


def _mp4(scenes: Sequence[Scene], painter: FilmPainter, crf: int = CRF) -> bytes:
    """H.264 in an MP4 whose index comes first, as every browser plays it."""
    import av

    rate = Fraction(1 / _scene_seconds(painter.facts)).limit_denominator(1001)
    with TemporaryDirectory() as folder:  # the index is moved to the front of a file, on a disk
        file = Path(folder, "film.mp4")
        with av.open(str(file), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.pix_fmt = "yuv420p"
            stream.options = {**X264, "crf": str(crf)}
            stream.width, stream.height = painter.size
            for picture in map(painter.picture, scenes):
                frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return file.read_bytes()


def _gif(scenes: Sequence[Scene], painter: FilmPainter) -> bytes:
    """A GIF that plays endlessly, with one palette for all frames."""
    palette = _palette()
    frames = (painter.picture(scene).quantize(palette=palette, dither=0) for scene in scenes)
    file = io.BytesIO()
    first = next(frames)
    duration = 1000 * _scene_seconds(painter.facts)
    first.save(file, "GIF", save_all=True, append_images=frames, duration=duration, loop=0)
    return file.getvalue()


def _scene_seconds(facts: FilmFacts) -> float:
    """How long a scene is shown."""
    return SLOWDOWN * facts.step_seconds


def _palette() -> Any:
    """A palette chosen by hand: one taken from a picture lacks the colours that are rare in it."""
    from PIL import Image, ImageColor

    plain = [ImageColor.getrgb(colour) for colour in (BACK, INK, FAINT, LINE)]
    for tint in map(ImageColor.getrgb, TINTS):
        for share in (1.0, 0.75, 0.5, 0.25):
            mixed = (share * t + (1 - share) * b for t, b in zip(tint, plain[0], strict=False))
            plain.append(tuple(round(part) for part in mixed))  # type: ignore[arg-type]
    greys = [(round(255 * i / (GREYS - 1)),) * 3 for i in range(GREYS)]
    found = Image.new("P", (1, 1))
    found.putpalette([part for colour in (*greys, *plain) for part in colour[:3]])
    return found
