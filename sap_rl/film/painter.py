"""One picture of a film: each player's frames and action values; needs the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sap_rl.film.games import FilmFacts, Scene, View
from sap_rl.play.arms import gradient_words

PANEL = 168
"""Side of a frame's panel: two screen pixels for one of 84."""
MARGIN, GAP = 14, 14
WIDTH = 2 * MARGIN + 3 * PANEL + 2 * GAP
HEAD, GAME, FOOT = 46, 372, 58
BARS = 104
"""Height of the action values' bars, both directions together."""

SHARE_CUT = 0.05
"""Share of the looks, those with the largest action values, whose bars may be cut: else a few would
make all others too short to compare."""

SMALLEST = 6
"""Size of the smallest letters."""

BACK, INK, FAINT, LINE = "#12161c", "#f2f4f7", "#9aa4b2", "#3a4350"
CLEAN = "#9aa4b2"
TINTS = ("#56b4e9", "#f0a030")
"""The players' colours, original first: everyone can tell blue from orange, colour-blind or not."""

ARROWS = {"UP": "↑", "DOWN": "↓", "LEFT": "←", "RIGHT": "→", "UPRIGHT": "↗", "UPLEFT": "↖",
          "DOWNRIGHT": "↘", "DOWNLEFT": "↙", "NOOP": "·"}  # fmt: skip


def film_height(players: int) -> int:
    """The picture's height in pixels; an even number, as video needs it."""
    return HEAD + players * GAME + FOOT


def title_lines(facts: FilmFacts) -> tuple[str, str]:
    """What a film is of, in two lines; the players' names stand beside their games."""
    return (
        f"{facts.game}: agent {facts.agent} under {', '.join(facts.under)}",
        f"seed {facts.seed}, episode {facts.episode} (emulator seed {facts.emulator_seed}); "
        + ("two games from one start" if len(facts.players) > 1 else "one game"),
    )


@dataclass
class FilmPainter:
    """Draws scenes; values_span: the bars' scale, one for the whole film so that moments compare;
    longer bars are cut there."""

    facts: FilmFacts
    values_span: float
    _fonts: dict[tuple[int, bool], Any] = field(default_factory=dict, init=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every picture."""
        return WIDTH, film_height(len(self.facts.players))

    def picture(self, scene: Scene) -> Any:
        """The scene as a Pillow image, red, green and blue."""
        from PIL import Image, ImageDraw

        image = Image.new("RGB", self.size, BACK)
        draw = ImageDraw.Draw(image)
        first, second = title_lines(self.facts)
        font = self._fitting(draw, first, WIDTH - 2 * MARGIN, 17, bold=True)
        draw.text((MARGIN, 7), first, INK, font)
        draw.text((MARGIN, 28), second, FAINT, self._font(13))
        for at, view in enumerate(scene.views):
            self._game(image, draw, view, at)
        self._foot(draw, HEAD + len(scene.views) * GAME)
        return image

    def _game(self, image: Any, draw: Any, view: View, at: int) -> None:
        """One player: a line of words, three frames, bars."""
        top, tint = HEAD + at * GAME, TINTS[at % len(TINTS)]
        draw.line([(MARGIN, top + 4), (WIDTH - MARGIN, top + 4)], LINE)
        words = f"score {view.score:g}   flips {view.flips}/{view.steps}"
        if view.self_flips:
            words += f" (itself {view.self_flips})"
        draw.text((WIDTH - MARGIN, top + 12), words, INK, self._font(14), anchor="ra")
        room = WIDTH - 2 * MARGIN - draw.textlength(words, self._font(14)) - 10
        self._who(draw, at, top, room)
        self._frames(image, draw, view, top + 34)
        if view.ended:
            text = f"over after {view.steps} steps, score {view.score:g}"
            box = (MARGIN, top + 110, MARGIN + PANEL, top + 138)
            draw.rectangle(box, BACK)
            draw.text((MARGIN + PANEL / 2, top + 124), text, INK, self._font(11), anchor="mm")
        self._bars(draw, view, top + 34 + 16 + PANEL + 12, tint)

    def _who(self, draw: Any, at: int, top: int, room: float) -> None:
        """A player's name and whose gradient attacks it, in so much room."""
        name = self.facts.players[at].removeprefix("agent:")
        victim = self.facts.victims[at]
        gradient = f"under {gradient_words(victim)}" if victim else ""
        small = self._font(12)
        room -= draw.textlength(gradient, small) + 10
        font = self._fitting(draw, name, room, 17, bold=True)
        draw.text((MARGIN, top + 10), name, TINTS[at % len(TINTS)], font)
        reach = MARGIN + draw.textlength(name, font) + 10
        draw.text((reach, top + 14), gradient, FAINT, small)

    def _frames(self, image: Any, draw: Any, view: View, top: int) -> None:
        """What the game shows, what the attacker adds, what the player sees."""
        change = view.tampered - view.clean.astype(np.float32)
        magnified = 127.5 * (1 + change / self.facts.span)
        factor = f"{127.5 / self.facts.span:.3g}"
        parts = (
            ("clean frame", view.clean),
            (f"perturbation, {factor} times", magnified),
            ("what the player sees", view.tampered),
        )
        for place, (title, pixels) in enumerate(parts):
            left = MARGIN + place * (PANEL + GAP)
            draw.text((left, top - 1), title, FAINT, self._font(12))
            image.paste(_grey(pixels), (left, top + 16))

    def _bars(self, draw: Any, view: View, top: int, tint: str) -> None:
        """Action values of both looks, each relative to its mean, and the greedy actions."""
        slot = (WIDTH - 2 * MARGIN) / len(view.on_clean)
        middle, unit = top + BARS / 2, BARS / 2 / (self.values_span or 1.0)
        draw.line([(MARGIN, middle), (WIDTH - MARGIN, middle)], LINE)
        half = min(10.0, slot * 0.36)
        for edge, sign, anchor in ((top, "+", "lt"), (top + BARS, "-", "lb")):
            text = f"{sign}{self.values_span:.2g}"
            draw.text((MARGIN, edge), text, FAINT, self._font(10), anchor=anchor)
        looks = (
            (view.on_clean, CLEAN, -half, view.wanted),
            (view.on_tampered, tint, 0.0, view.chosen),
        )
        for action, label in enumerate(self.facts.actions):
            centre = MARGIN + slot * (action + 0.5)
            for values, colour, shift, best in looks:
                height = float(values[action] - values.mean()) * unit
                height = min(max(height, -BARS / 2), BARS / 2)
                box = sorted((middle, middle - height))
                best_here = action == best
                shape = (centre + shift, box[0], centre + shift + half, box[1])
                draw.rectangle(shape, colour if best_here else None, colour)
            self._label(draw, label, centre, top + BARS + 2, slot, view, action, tint)

    def _label(
        self, draw: Any, label: str, centre: float, top: float, slot: float, view: View,
        action: int, tint: str,
    ) -> None:  # fmt: skip
        """An action's name; framed where the player wants it, filled where it chose it."""
        box = (centre - slot / 2 + 2, top + 1, centre + slot / 2 - 2, top + 34)
        chosen = action == view.chosen
        if chosen:
            draw.rectangle(box, tint)
        if action == view.wanted:
            draw.rectangle(box, None, INK, 2)
        colour = BACK if chosen else INK
        for line, text in enumerate(action_lines(label)):
            font = self._font(14, bold=chosen)
            draw.text((centre, top + 10 + 14 * line), text, colour, font, anchor="mm")

    def _foot(self, draw: Any, top: int) -> None:
        draw.line([(MARGIN, top + 1), (WIDTH - MARGIN, top + 1)], LINE)
        lines = (
            "Bars: action values less their mean, grey on the clean frame, coloured as seen.",
            "Filled: the best. Label framed: wanted on the clean frame; coloured: chosen. F: fire.",
            "Flips: chosen is not wanted; itself: two looks at the clean frame disagree.",
        )
        for line, text in enumerate(lines):
            draw.text((MARGIN, top + 6 + 16 * line), text, FAINT, self._font(12))

    def _fitting(self, draw: Any, text: str, room: float, size: int, *, bold: bool = False) -> Any:
        """The largest font of at most that size in which a text fits, the smallest where none."""
        while size > SMALLEST and draw.textlength(text, self._font(size, bold=bold)) > room:
            size -= 1
        return self._font(size, bold=bold)

    def _font(self, size: int, *, bold: bool = False) -> Any:
        if (size, bold) not in self._fonts:
            self._fonts[size, bold] = _font(size, bold=bold)
        return self._fonts[size, bold]


def values_span(scenes: Sequence[Scene]) -> float:
    """The scale of a film's bars: all but the SHARE_CUT longest looks fit."""
    looks = [v for s in scenes for view in s.views for v in (view.on_clean, view.on_tampered)]
    longest = [float(np.abs(values - values.mean()).max()) for values in looks]
    return float(np.quantile(longest, 1 - SHARE_CUT)) if longest else 1.0


def action_lines(name: str) -> tuple[str, ...]:
    """An action's name in one or two short lines: UPFIRE is an arrow above an F."""
    if name == "FIRE":
        return ("F",)
    if name.endswith("FIRE"):
        return (ARROWS[name.removesuffix("FIRE")], "F")
    return (ARROWS[name],)


def _grey(pixels: np.ndarray) -> Any:
    """A panel of a frame [H, W] in 0..255, its pixels still to be seen as squares."""
    from PIL import Image

    plain = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    return plain.resize((PANEL, PANEL), Image.Resampling.NEAREST)


def _font(size: int, *, bold: bool) -> Any:
    """The typeface that matplotlib brings: it has arrows."""
    import matplotlib
    from PIL import ImageFont

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)
