"""An outsider's attack: a callable of a file that somebody names; the file is executed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from sap_rl.attacks.factory import AttackFactory
from sap_rl.attacks.gradients import averaged, mean_values
from sap_rl.attacks.names import ATTACK_NAMES, HASH_LENGTH
from sap_rl.attacks.options import GradSamples, require_counts
from sap_rl.attacks.threat import Threat, require_like
from sap_rl.errors import UsageError, told_of, unknown
from sap_rl.files import MAX_CONFIG, read_file
from sap_rl.pixels import to_pixels, to_unit
from sap_rl.types import Actions, QFunction, UnitFrames

SPELLED = re.compile(r"(?P<path>.*\.py):(?P<name>\w+)(@(?P<hash>\w+))?", re.DOTALL)
FILE_NAME = re.compile(r"[\w.-]+")
"""What a file's name may consist of, for it stands in tables and keys."""


@dataclass(frozen=True)
class Outside:
    """Shows pixels to an outsider's callable, and its result to the referee as it is.

    change(frames, scores, lam, generator) -> frames: float32 pixels [B, K, H, W] of 0..255, a copy;
    scores of such frames [B, A], the mean of `grad_samples` passes of the victim, differentiable;
    lam in pixels. UsageError in one line for whatever it raises.
    """

    change: Callable[..., Any]
    called: str
    grad_samples: int = 1

    def __call__(
        self,
        q: QFunction,
        obs: UnitFrames,
        threat: Threat,
        /,
        *,
        generator: torch.Generator,
        label: Actions | None = None,
    ) -> UnitFrames:
        """The frames as the callable gave them; ThreatViolation for what are no frames."""
        mean_values(q, obs, samples=self.grad_samples)  # an attack's first look is at clean frames
        given, scores = to_pixels(obs), partial(_scores, q, self.grad_samples)
        try:
            with torch.enable_grad():
                found = self.change(given.clone(), scores, threat.lam, generator)
        except Exception as error:
            raise UsageError(f"attack {self.called} failed: {told_of(error)}") from error
        return obs + to_unit(require_like(found, given) - given)  # what is untouched stays exact


def _scores(q: QFunction, samples: int, frames: Tensor) -> Tensor:
    """Action values [B, A] of pixels [B, K, H, W], averaged over so many passes."""
    return averaged(q, to_unit(frames), samples)


def admit(spelled: str) -> str:
    """Executes the file of `FILE.py:NAME` and puts its attack into `ATTACKS`.

    Returns the name under which it stands there: `FILE.py:NAME@HASH`, of the file's contents, so
    that an edited attack is another. That is read too, where the file has that hash. UsageError in
    one line for a file that is none, cannot be executed, or has no such callable.
    """
    form = "an attack of a file is spelled FILE.py:NAME"
    said, source, found = read_spelled(SPELLED, spelled, MAX_CONFIG, form)
    path, name = Path(said["path"]), said["name"]
    called = f"{path.name}:{name}@{found}"
    change = _callable(_executed(path, source, found), name, path)

    def make(*, grad_samples: GradSamples = 1) -> Outside:
        require_counts(grad_samples=grad_samples)
        return Outside(change, called, grad_samples)

    return join(called, AttackFactory(make, needs="gradient"))


def read_spelled(
    pattern: re.Pattern[str], spelled: str, most: int, form: str
) -> tuple[re.Match[str], bytes, str]:
    """The file that is spelled by a pattern with a `path` and perhaps a `hash`.

    Returns what the pattern found, the file's contents of at most so many bytes, and their hash.
    UsageError for another spelling than `form` says, and for another hash.
    """
    said = pattern.fullmatch(spelled)
    if said is None or not FILE_NAME.fullmatch(Path(said["path"]).name):
        raise UsageError(f"{form}, got '{spelled}'")
    path = Path(said["path"])
    data = read_file(path, most)
    found = sha256(data).hexdigest()[:HASH_LENGTH]
    if said["hash"] not in (None, found):
        raise UsageError(f"'{path}' is not what it was: its hash is {found}, not {said['hash']}")
    return said, data, found


def join(called: str, entry: AttackFactory) -> str:
    """Put an attack of a file into `ATTACKS`; returns its name there."""
    globals()[called] = entry
    ATTACK_NAMES[called] = f"{__name__}:{called}"
    return called


def _executed(path: Path, source: bytes, found: str) -> ModuleType:
    """The file as a module of its own."""
    module = ModuleType(f"outside_{found}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise UsageError(f"'{path}' cannot be executed: {told_of(error)}") from error
    return module


def _callable(module: ModuleType, name: str, path: Path) -> Callable[..., Any]:
    own = {key: it for key, it in vars(module).items() if callable(it) and not key.startswith("_")}
    if name not in vars(module):
        raise unknown(f"attack of '{path}'", name, own)
    found: Any = vars(module)[name]
    if not callable(found):
        raise UsageError(
            f"'{name}' of '{path}' is a {type(found).__name__}, which cannot be called"
        )
    return found  # type: ignore[no-any-return]
