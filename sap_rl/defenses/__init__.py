"""Defences: transforms of a trained network; `DEFENSES` maps a name to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from sap_rl.defenses.q_noise import q_noise
from sap_rl.defenses.sap import sap
from sap_rl.errors import UsageError, unknown

DEFENSES: dict[str, Callable[..., nn.Module]] = {"sap": sap, "q-noise": q_noise}
"""Name -> (module, *, seed, ...) -> nn.Module; its version is raised when its results change."""

STRENGTHS = {"sap": "percent", "q-noise": "sigma"}
"""Which option the number in a spelling such as sap-100 stands for."""


def parse_defense(text: str) -> tuple[str, dict[str, Any]]:
    """`sap-100` -> ("sap", {"percent": 100.0}); a bare name leaves the option to its default.

    Raises UsageError with the known names.
    """
    if text in DEFENSES:
        return text, {}
    name = next((name for name in DEFENSES if text.startswith(f"{name}-")), None)
    if name is None:
        raise unknown("defense", text, (f"{name}-K" for name in DEFENSES))
    number = text.removeprefix(f"{name}-")
    try:
        return name, {STRENGTHS[name]: float(number)}
    except ValueError:
        raise UsageError(
            f"defense '{text}': '{number}' is not a number; write for example {name}-100"
        ) from None
