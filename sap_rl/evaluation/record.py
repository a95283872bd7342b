"""How an evaluation lies in a JSON file: flat, with a number for the format.

`config` holds the settings and who played, `protocol` the rules, `versions` the packages; `lam` is
spelled lambda, and severity where a corruption took part. Format 1 is the same without its number,
and with fewer entries. Arms and victims may have the names that they had first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sap_rl.errors import UsageError
from sap_rl.plain import from_plain
from sap_rl.play.arms import in_todays_names

FORMAT = 2

Plain = dict[str, Any]

PLACES = {
    "agent": ("agent", "name"),
    "agent_sha256": ("agent", "sha256"),
    "defended_sha256": ("agent", "defended_sha256"),
    "other": ("agent", "other"),
    "other_sha256": ("agent", "other_sha256"),
    "agent_ref": ("agent", "origin", "agent"),
    "agent_loading": ("agent", "origin", "loading"),
    "other_ref": ("agent", "origin", "other"),
    "commit": ("made", "commit"),
    "code": ("made", "code"),
    "until": ("made", "until"),
    "device": ("agent", "device"),
    "threads": ("agent", "threads"),
    "arms": ("arms",),
}
"""Entries of `config` that are not settings, and where an `Evaluation` has them."""


@dataclass(frozen=True, kw_only=True)
class EvaluationFile:
    """The file's own layout; complete, and the changes' verdicts, follow from the rest."""

    format: int = 1
    config: Plain
    versions: dict[str, str]
    protocol: Plain
    rows: tuple[Plain, ...]
    changes: tuple[Plain, ...]
    checks: tuple[Plain, ...] = ()
    complete: bool = False


def file_layout(evaluation: Plain, *, complete: bool, verdicts: Iterable[str]) -> EvaluationFile:
    """An `Evaluation` in plain JSON as its file has it."""
    config = dict(evaluation["settings"])
    protocol = config.pop("protocol") | {"preprocess": evaluation["agent"]["preprocess"]}
    changes = _levels_said(evaluation["changes"])
    return EvaluationFile(
        format=FORMAT,
        config=config | {name: _at(evaluation, place) for name, place in PLACES.items()},
        versions=evaluation["made"]["versions"],
        protocol=protocol,
        rows=_levels_said(evaluation["rows"]),
        changes=tuple(c | {"verdict": v} for c, v in zip(changes, verdicts, strict=True)),
        checks=evaluation["checks"],
        complete=complete,
    )


def value_layout(plain: object) -> Plain:
    """What `file_layout` laid flat, of this format or an earlier one.

    UsageError in one line for a newer format and for another layout; what single values are is not
    looked at.
    """
    number = plain.get("format", 1) if isinstance(plain, dict) else 1
    if isinstance(number, int) and number > FORMAT:
        raise UsageError(f"it has format {number}, this version of sap_rl reads up to {FORMAT}")
    file = from_plain(EvaluationFile, in_todays_names(plain))
    settings, protocol = dict(file.config), dict(file.protocol)
    agent: Plain = {"origin": {}}
    made: Plain = {"versions": file.versions}
    found: Plain = {"settings": settings, "agent": agent, "made": made}
    for name, place in PLACES.items():
        if name in settings:
            _at(found, place[:-1])[place[-1]] = settings.pop(name)
    if "preprocess" in protocol:
        agent["preprocess"] = protocol.pop("preprocess")
    settings["protocol"] = protocol
    changes = [{k: v for k, v in part.items() if k != "verdict"} for part in file.changes]
    return found | {
        "rows": _levels_read(file.rows),
        "changes": _levels_read(changes),
        "checks": file.checks,
    }


def _at(plain: Plain, place: Iterable[str]) -> Any:
    for name in place:
        plain = plain[name]
    return plain


def _levels_said(parts: Iterable[Plain]) -> tuple[Plain, ...]:
    """Rows or changes whose level has the name that people give it."""
    names = [(part, "severity" if part["corruption"] else "lambda") for part in parts]
    return tuple({name if k == "lam" else k: v for k, v in part.items()} for part, name in names)


def _levels_read(parts: Iterable[Plain]) -> tuple[Plain, ...]:
    """The same under the name that the level has in a `Row` and a `Change`."""
    said = ("lambda", "severity")
    return tuple({"lam" if k in said else k: v for k, v in part.items()} for part in parts)
