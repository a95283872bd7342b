"""What a network sees of the game: one frozen value that travels with the agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from sap_rl.errors import UsageError, require_positive, unknown
from sap_rl.schema import underscored

Order = Literal["oldest_first", "newest_first"]
Layout = Literal["rows_first", "columns_first"]
Grey = Literal["first", "pooled", "resized", "none"]
Luma = Literal["luminance", "mean"]
Interpolation = Literal["area", "linear"]
Fill = Literal["zero", "repeat"]
Scale = Literal["unit", "pixels"]

CHOICES: dict[str, tuple[str, ...]] = {
    "order": get_args(Order),
    "layout": get_args(Layout),
    "grey": get_args(Grey),
    "luma": get_args(Luma),
    "interpolation": get_args(Interpolation),
    "fill": get_args(Fill),
    "scale": get_args(Scale),
}
"""Entries that are words, and the words."""

KINDS = {
    bool: "true or false", int: "a whole number", float: "a number", tuple: "top,left,height,width",
}  # fmt: skip
"""What the other entries are, by the type of their default."""
LARGEST = {"frames": 64, "height": 512, "width": 512, "frameskip": 64, "first_actions": 18}
"""The largest values that are accepted: no Atari network goes beyond, and more costs memory."""


@dataclass(frozen=True)
class Preprocess:
    """What a network sees of the game; travels with the agent and builds its environment.

    The world, `make_atari`'s part:
    frames: how many are stacked; height, width: pixels after resizing; frameskip: emulator frames
    per action; max_pool: the last two of them maximised, else the last alone, as where the emulator
    skips by itself ("ALE/Breakout-v5"); full_action_space: all 18 actions instead of those that
    matter in the game; first_actions: only the first so many of them, 0 for all; crop: (top, left,
    height, width) of the part of the screen that is resized, black where it leaves the screen, ()
    for the whole screen; grey: colour goes `first` (the emulator's grey), after the two frames are
    `pooled`, or after they are `resized`, or never (`none`), so that each frame is three planes,
    red, green and blue; luma: grey is the `luminance` or the `mean` of red, green
    and blue; interpolation: `area` or `linear`; fill: what stands before an episode's first frame,
    `zero` or that frame on `repeat`; sticky_actions: probability of repeating the last action.

    The network's part, for `takes_unit`; observations are always rows first and oldest first:
    order: of the stack that it takes; layout: `columns_first` for [K, W, H]; scale: it takes
    `unit` floats 0..1, or `pixels` 0..255 (raw, or divided inside).
    """

    frames: int = 4
    height: int = 84
    width: int = 84
    frameskip: int = 4
    full_action_space: bool = False
    first_actions: int = 0
    crop: tuple[int, ...] = ()
    grey: Grey = "first"
    luma: Luma = "luminance"
    interpolation: Interpolation = "area"
    fill: Fill = "zero"
    sticky_actions: float = 0.0
    max_pool: bool = True
    order: Order = "oldest_first"
    layout: Layout = "rows_first"
    scale: Scale = "unit"

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():
            if name != "first_actions":
                require_positive(name, getattr(self, name))
            if not 0 <= getattr(self, name) <= most:
                raise UsageError(f"{name} must lie in 0..{most}, got {getattr(self, name)}")
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise unknown(name, str(getattr(self, name)), words)
        if not 0.0 <= self.sticky_actions <= 1.0:
            raise UsageError(f"sticky_actions must lie in 0..1, got {self.sticky_actions}")
        if self.luma == "mean" and self.grey in ("first", "none"):
            raise UsageError("luma=mean needs grey=pooled or grey=resized: the emulator's own grey "
                             "is the luminance")  # fmt: skip
        self._check_crop()

    def _check_crop(self) -> None:
        object.__setattr__(self, "crop", tuple(self.crop or ()))  # a list would have no hash
        if not self.crop:
            return
        if len(self.crop) != 4:
            raise UsageError(f"crop is top,left,height,width, got {list(self.crop)}")
        height, width = self.crop[2:]
        if max(map(abs, self.crop)) > LARGEST["height"] or min(height, width) < 1:
            raise UsageError(f"crop cannot be {list(self.crop)}; the screen is about 210x160")
        if self.interpolation == "area" and (height < self.height or width < self.width):
            raise UsageError(
                f"interpolation=area only shrinks: a crop of {height}x{width} does not become "
                f"{self.height}x{self.width}"
            )

    @property
    def planes(self) -> int:
        """Planes of a frame: one grey, or three colours."""
        return 3 if self.grey == "none" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one observation, [K, H, W]; in colour K counts the planes of all frames."""
        return (self.frames * self.planes, self.height, self.width)

    @property
    def deciding(self) -> dict[str, Any]:
        """Its entries as keys of stored results have them: those that are younger only where they
        are not what they always were."""
        found = asdict(self)
        if self.max_pool:
            del found["max_pool"]
        return found

    @property
    def seen_size(self) -> tuple[int, int]:
        """Height and width as the network itself has them."""
        size = (self.height, self.width)
        return size[::-1] if self.layout == "columns_first" else size

    @property
    def emulated(self) -> bool:
        """Whether ale-py's vector environment does all of it by itself."""
        plain = Preprocess()
        names = ("first_actions", "crop", "grey", "luma", "interpolation", "fill")
        return all(getattr(self, name) == getattr(plain, name) for name in names)


def preprocess_entries(entries: Mapping[str, Any] | Any) -> dict[str, Any]:
    """Entries of a Preprocess by name, as a card, YAML or a command line spells them.

    Numbers and truth values may be text; crop may be a list or `34,0,160,160`. UsageError names the
    entry, the value and the choices.
    """
    plain = Preprocess()
    known = [entry.name for entry in fields(Preprocess)]
    found: dict[str, Any] = {}
    if not isinstance(entries, Mapping):
        raise UsageError(f"preprocess is a mapping of its entries, got a {type(entries).__name__}")
    for key, value in underscored(entries).items():
        if key not in known:
            raise unknown("preprocess entry", key[:40], known)
        try:
            found[key] = _read_entry(value, getattr(plain, key))
        except (TypeError, ValueError, OverflowError):
            if key in CHOICES:
                raise unknown(key, f"{value!r:.40}", CHOICES[key]) from None
            kind = KINDS[type(getattr(plain, key))]
            raise UsageError(f"preprocess {key}: cannot use {value!r:.60}, it is {kind}") from None
        if key in CHOICES and found[key] not in CHOICES[key]:
            raise unknown(key, found[key][:40], CHOICES[key])
    return found


def parse_preprocess(texts: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts of a command line as entries of a Preprocess."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"preprocess is key=value, e.g. scale=unit, got '{text}'")
        if key.strip() in pairs:
            raise UsageError(f"preprocess says {key.strip()} twice")
        pairs[key.strip()] = value.strip()
    return preprocess_entries(pairs)


def _read_entry(value: Any, plain: Any) -> Any:
    """The value in the type of the entry's default."""
    if isinstance(plain, bool):
        words = {"true": True, "false": False}
        return _exactly(words.get(value.lower()) if isinstance(value, str) else value, bool)
    if isinstance(plain, tuple):
        parts = value.split(",") if isinstance(value, str) and value else value or ()
        return tuple(_read_entry(part, 0) for part in parts)
    if isinstance(plain, int):
        return int(value) if isinstance(value, str) else _exactly(value, int)
    if isinstance(plain, float):
        return float(_exactly(value, int, float, str))
    return _exactly(value, str)


def _exactly(value: Any, *types: type) -> Any:
    if type(value) not in types:
        raise TypeError(value)
    return value
