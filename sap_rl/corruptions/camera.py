"""A corruption at work: the camera through which environments are seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module

import numpy as np

from sap_rl.corruptions import find_corruption
from sap_rl.corruptions.entry import Corruption, Moment, Picture
from sap_rl.errors import UsageError
from sap_rl.seeds import numpy_stream

MODULES = {"pillow": "PIL.Image"}
"""Package -> the module of it that is imported."""


@dataclass(frozen=True)
class Begun:
    """What an environment's draws follow from: the seed of its last reset, and how many episodes
    have begun since."""

    seed: int
    episodes: int = 0

    @classmethod
    def after(cls, last: Begun | None, row: int, seed: int | None) -> Begun:
        """The next episode of that environment; seed: of its reset, None where none was given."""
        if seed is not None:
            return cls(seed)
        return cls(row) if last is None else cls(last.seed, last.episodes + 1)


@dataclass
class Camera:
    """Shows the pictures of environments, each with its own past, as a corruption leaves them.

    corruption: a name in `CORRUPTIONS`; severity: in its own unit. An episode's draws follow from
    the seed with which its environment was reset, so that they are the same in whatever company
    it is played. A camera serves one vector of environments. Raises UsageError for an unknown
    corruption, a severity that it does not take, and where a package is missing.
    """

    corruption: str
    severity: float
    _moments: dict[int, Moment] = field(default_factory=dict, init=False, repr=False)
    _begun: dict[int, Begun] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.entry.check(self.corruption, self.severity)
        require_package(self.corruption)

    @property
    def entry(self) -> Corruption:
        """The corruption itself."""
        return find_corruption(self.corruption)

    @property
    def wants_screen(self) -> bool:
        """Whether it acts on the emulator's whole screen, else on frames as an agent has them."""
        return self.entry.acts_on == "screen"

    def on_screen(self, row: int) -> bool:
        """Whether it does so in that environment."""
        return self.wants_screen

    def require_fit(self, size: tuple[int, int]) -> None:
        """UsageError where pictures of that height and width are too small for the severity."""
        self.entry.require_fit(self.corruption, self.severity, size)

    def begin(self, row: int, seed: int | None = None) -> None:
        """An episode begins in that environment; seed: of its reset, None where none was given."""
        self._begun[row] = begun = Begun.after(self._begun.get(row), row, seed)
        rng = numpy_stream(begun.seed, "corruption", self.corruption, begun.episodes)
        self._moments[row] = Moment(rng, (float(rng.random()), float(rng.random())))

    def show(self, row: int, picture: Picture) -> Picture:
        """The next picture of that environment's episode as it is shown."""
        return self.entry(np.ascontiguousarray(picture), self.severity, self._moments[row])


def require_package(corruption: str) -> None:
    """UsageError where the corruption needs a package that is not installed."""
    package = find_corruption(corruption).package
    if package is None:
        return
    try:
        import_module(MODULES[package])
    except ImportError as error:
        raise UsageError(
            f"corruption '{corruption}' needs {package}: pip install 'sap-rl[report]'"
        ) from error
