"""Cameras of which every episode gets another: what hardening against corruptions looks through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sap_rl.corruptions import find_corruption
from sap_rl.corruptions.camera import Begun, Camera, require_package
from sap_rl.corruptions.entry import Picture
from sap_rl.corruptions.spelling import Worst
from sap_rl.seeds import numpy_stream, stream_seed


class ChangingCamera:
    """Looks at each episode through a camera of its own: a clean one, or one of the corruptions, at
    a severity drawn up to the worst. All of them, the clean one among them, are equally likely.

    frame: height and width of the frames that agents have. Draws follow from the seeds of resets,
    as a Camera's do. Raises UsageError where a package is missing or a severity does not fit.
    """

    def __init__(self, corruptions: Sequence[Worst], frame: tuple[int, int]) -> None:
        for worst in corruptions:
            require_package(worst.corruption)
            if find_corruption(worst.corruption).acts_on == "frame":
                Camera(worst.corruption, worst.severity).require_fit(frame)
        self.corruptions = tuple(corruptions)
        self._begun: dict[int, Begun] = {}
        self._cameras: dict[int, Camera | None] = {}

    @property
    def wants_screen(self) -> bool:
        """Whether any of the corruptions acts on the emulator's whole screen."""
        return any(find_corruption(w.corruption).acts_on == "screen" for w in self.corruptions)

    def on_screen(self, row: int) -> bool:
        """Whether that environment's camera does so in this episode."""
        camera = self._cameras[row]
        return camera is not None and camera.wants_screen

    def require_fit(self, size: tuple[int, int]) -> None:
        """UsageError where screens of that height and width are too small for a severity."""
        for worst in self.corruptions:
            if find_corruption(worst.corruption).acts_on == "screen":
                Camera(worst.corruption, worst.severity).require_fit(size)

    def begin(self, row: int, seed: int | None = None) -> None:
        """An episode begins in that environment, with another camera."""
        self._begun[row] = begun = Begun.after(self._begun.get(row), row, seed)
        rng = numpy_stream(begun.seed, "camera", begun.episodes)
        which = int(rng.integers(len(self.corruptions) + 1))
        self._cameras[row] = None
        if which < len(self.corruptions):
            worst = self.corruptions[which]
            severity = find_corruption(worst.corruption).severity.drawn(worst.severity, rng)
            self._cameras[row] = camera = Camera(worst.corruption, severity)
            camera.begin(row, stream_seed(begun.seed, "camera", begun.episodes))

    def show(self, row: int, picture: Picture) -> np.ndarray:
        """The next picture of that environment's episode as it is shown."""
        camera = self._cameras[row]
        return picture if camera is None else camera.show(row, picture)
