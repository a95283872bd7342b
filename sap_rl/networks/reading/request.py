"""What a user says about a checkpoint that its file does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sap_rl.atari.preprocess import Preprocess, preprocess_entries
from sap_rl.errors import UsageError


@dataclass(frozen=True)
class Unclear:
    """What stands for an entry of which a file says something that is not understood: the question,
    with the answers."""

    question: str


OPEN = Unclear(
    "its settings do not say whether it saw frames 0..1 or 0..255: say scale=unit or "
    "scale=pixels in preprocess (--preprocess scale=pixels)"
)
"""Of a file that speaks of its frames' scale: it does not say which one."""


@dataclass(frozen=True)
class Request:
    """Answers to what a loader may ask.

    game: canonical name; preprocess: entries that replace the format's, or the whole of it; entry:
    of the file, that holds the network.
    """

    game: str | None = None
    preprocess: Preprocess | Mapping[str, Any] | Any = field(default_factory=dict)
    entry: str | None = None

    def beside(self, said: Mapping[str, Any]) -> Request:
        """With what the file itself says of its frames, where the user says nothing of it;
        UsageError for an entry that the file leaves unclear and the user does not say."""
        if isinstance(self.preprocess, Preprocess) or not said:
            return self
        own = preprocess_entries(self.preprocess)
        together = {**said, **own}
        for entry in together.values():
            if isinstance(entry, Unclear):
                raise UsageError(entry.question)
        return replace(self, preprocess=together)

    def says(self, name: str) -> bool:
        """Whether the user said this entry of the preprocessing."""
        return isinstance(self.preprocess, Preprocess) or name in self.preprocess

    def settle(self, trained: Preprocess) -> Preprocess:
        """The format's preprocessing with what the user said in its place.

        A loader counts the first layer's planes; where colour stays, three are a frame. UsageError
        where the number leaves open whether it does.
        """
        if isinstance(self.preprocess, Preprocess):
            return self.preprocess
        entries = preprocess_entries(self.preprocess)
        planes = trained.frames
        if planes % 3 == 0 and not {"frames", "grey"} & entries.keys():
            raise UsageError(
                f"it sees {planes} planes, {planes} grey frames or {planes // 3} in colour: say "
                f"frames={planes} or grey=none in preprocess (--preprocess grey=none)"
            )
        if entries.get("grey") == "none" and planes % 3 == 0:
            entries = {"frames": planes // 3, **entries}
        return replace(trained, **entries)


def ask(path: Path, question: str, *answers: str) -> UsageError:
    """The error for what a file cannot tell: the question, and the options that answer it."""
    return UsageError(f"{path}: {question} Say {' or '.join(answers)}.")
