"""An entry of `CORRUPTIONS`: what it does to a picture, how much, and what it may do at most."""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from sap_rl.errors import UsageError

Picture: TypeAlias = np.ndarray
"""uint8 [H, W] in grey, or [H, W, 3]: the emulator's whole screen, or a frame as agents have it."""

LONGEST = 60
"""Pictures that are remembered: 4 seconds at a frameskip of 4."""


class CorruptionViolation(RuntimeError):  # noqa: N818 (it names what was found)
    """Raised where a corruption did more to a picture than its severity allows."""


@dataclass
class Moment:
    """What a corruption may know besides the picture: the episode until now.

    rng: the episode's own stream; place: two numbers in [0, 1), drawn when it began; clean, shown:
    its earlier pictures, untouched and as they were shown, the newest last.
    """

    rng: np.random.Generator
    place: tuple[float, float] = (0.0, 0.0)
    clean: deque[Picture] = field(default_factory=lambda: deque(maxlen=LONGEST))
    shown: deque[Picture] = field(default_factory=lambda: deque(maxlen=LONGEST))


@dataclass(frozen=True)
class Severity:
    """How strong a corruption may be, and in which unit.

    help: what the number is; most: the largest that is taken, least: the smallest, above 0;
    whole: it is a whole number; falling: smaller numbers are worse; form: how a number is said;
    suite: those of an audit's profile, mild ones first.
    """

    help: str
    unit: str
    most: float
    suite: tuple[float, ...]
    least: float = 0.0
    whole: bool = False
    falling: bool = False
    form: str = "{number} {unit}"

    def text(self, value: float) -> str:
        """The severity in words: `1 degree`, `quality 30`."""
        unit = self.unit.removesuffix("s") if value == 1 else self.unit
        return self.form.format(number=f"{value:g}", unit=unit)

    def drawn(self, worst: float, rng: np.random.Generator) -> float:
        """A severity between the mildest and the worst, uniformly."""
        mildest = self.most if self.falling else max(self.least, float(self.whole))
        low, high = sorted((mildest, worst))
        if self.whole:
            return float(rng.integers(int(low), int(high) + 1))
        return high - (high - low) * float(rng.random())

    @property
    def range(self) -> str:
        """Which numbers are taken: `whole, 1..40`."""
        low = f"{self.least:g}.." if self.least else "1.." if self.whole else "above 0, up to "
        return f"{'whole, ' if self.whole else ''}{low}{self.most:g}"


Corrupt: TypeAlias = Callable[[Picture, float, Moment], Picture]
"""A pure function of a picture, the severity and the moment, but for draws from the moment's
stream; the given picture stays as it is."""
Referee: TypeAlias = Callable[[Picture, Picture, float, Moment], bool]
"""Whether a picture may have become another one, given (before, after, severity, moment); the first
line of its docstring says what is allowed at most."""
ActsOn = Literal["screen", "frame"]


@dataclass(frozen=True)
class Corruption:
    """Spoils pictures on their way to an agent.

    apply, referee: see `Corrupt` and `Referee`; acts_on: the emulator's whole `screen`, or each
    `frame` as the agent has it; random: it draws; package: that it needs beyond the declared ones
    and on whose version its results depend. version: raised when its results change.
    """

    apply: Corrupt
    referee: Referee
    severity: Severity
    acts_on: ActsOn
    random: bool = False
    package: str | None = None
    version: int = 1

    @property
    def limit(self) -> str:
        """What its referee allows at most, in words."""
        return (inspect.getdoc(self.referee) or "").partition("\n")[0]

    def check(self, name: str, value: float) -> None:
        """UsageError for a severity that it does not take."""
        severity = self.severity
        low_enough = math.isfinite(value) and value <= severity.most
        high_enough = value >= severity.least if severity.least else value > 0
        if not (low_enough and high_enough) or (severity.whole and value != int(value)):
            raise UsageError(
                f"severity of {name} is in {severity.unit}, {severity.range}, got {value:g}"
            )

    def require_fit(self, name: str, value: float, size: tuple[int, int]) -> None:
        """UsageError where pictures of that height and width are too small for the severity."""
        if self.severity.unit == "pixels" and value >= min(size):
            shown = self.severity.text(value)
            raise UsageError(
                f"{name} {shown} does not go with {self.acts_on}s of {size[0]}x{size[1]} pixels; "
                f"at most {min(size) - 1}"
            )

    def __call__(self, picture: Picture, value: float, moment: Moment) -> Picture:
        """The picture as it is shown; CorruptionViolation where the referee objects."""
        after = self.apply(picture, value, moment)
        same = after.shape == picture.shape and after.dtype == picture.dtype == np.uint8
        if not (same and self.referee(picture, after, value, moment)):
            raise CorruptionViolation(
                f"at {self.severity.text(value)} a picture became {after.dtype} "
                f"{list(after.shape)} outside its limits: {self.limit}"
            )
        moment.clean.append(picture)
        moment.shown.append(after)
        return after
