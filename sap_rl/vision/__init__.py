"""Image classifiers under attack: the paper's CIFAR-10 half, and any classifier of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sap_rl.registry import Registry

if TYPE_CHECKING:
    from sap_rl.vision.classifiers import load_classifier
    from sap_rl.vision.evaluate import evaluate_classifier

__all__ = ["evaluate_classifier", "load_classifier"]

_PLACES: Registry[Any] = Registry(
    {
        "load_classifier": "sap_rl.vision.classifiers:load_classifier",
        "evaluate_classifier": "sap_rl.vision.evaluate:evaluate_classifier",
    }
)
"""Public name -> where it stands; torch is loaded when one is asked for."""


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return _PLACES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
