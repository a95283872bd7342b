"""Options by name: how the value of each is read, and its line of help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml

from sap_rl.agents import shipped_agents
from sap_rl.atari.games import canonical_game
from sap_rl.atari.preprocess import parse_preprocess, preprocess_entries
from sap_rl.atari.protocol import Frames, Observation
from sap_rl.attacks import ATTACKS
from sap_rl.attacks.factory import AttackFactory
from sap_rl.attacks.names import DEFAULT_ATTACK
from sap_rl.attacks.objectives import OBJECTIVES
from sap_rl.attacks.schedule import Schedule, parse_schedule
from sap_rl.audit.settings import Budget
from sap_rl.defenses import DEFENSES
from sap_rl.defenses.defended import Defense
from sap_rl.defenses.names import BACKWARDS
from sap_rl.defenses.sampling import SAMPLERS
from sap_rl.errors import UsageError, unknown
from sap_rl.networks.loaders import LOADERS
from sap_rl.networks.precision import PRECISIONS
from sap_rl.registry import Registry

BOTH = ("self", "original")
"""The victims of an evaluation by default."""


@dataclass(frozen=True)
class Option:
    """One option of an experiment: how to read its value, and its one line of help."""

    read: Callable[[Any], Any]
    help: str


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _game(value: Any) -> str:
    return canonical_game(_text(value))


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError(value)
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        return int(value)  # a float would round large seeds
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _lambdas(value: Any) -> tuple[float, ...]:
    parts = value if isinstance(value, list | tuple) else [value]
    return tuple(_number(p) for part in parts for p in str(part).split(",") if p.strip())


def _one_of(kind: str, choices: Iterable[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise unknown(kind, str(value), choices)
        return str(value)

    return read


def _preprocess(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return preprocess_entries(value)
    return parse_preprocess([value] if isinstance(value, str) else [_text(part) for part in value])


def _victims(value: Any) -> tuple[str, ...]:
    parts = [part.strip() for part in _text(value).split(",") if part.strip()]
    named = ("self", "original", "both", *shipped_agents())
    for part in parts:
        if part not in named and not Path(part).exists():
            raise unknown("victim", part, named)
    return tuple(v for part in parts for v in (BOTH if part == "both" else (part,)))


def _schedule(value: Any) -> Schedule:
    return parse_schedule(_text(value))


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


EVAL_OPTIONS: dict[str, Option] = {
    "game": Option(_game, "the game: BankHeist, bank_heist or ALE/BankHeist-v5"),
    "agent": Option(
        _text, "who plays: an agent's name, folder or file, or hub:owner/name [the game's own]"
    ),
    "format": Option(
        _one_of("format", LOADERS), "whose checkpoint the file is [recognised by its tensors]"
    ),
    "preprocess": Option(
        _preprocess, "key=value, what a file does not say of its frames (sap-rl agents show)"
    ),
    "lambda": Option(_lambdas, "attack budget in pixel units 0..255, one or several"),
    "attack": Option(_one_of("attack", ATTACKS), f"{', '.join(ATTACKS)} [{DEFAULT_ATTACK}]"),
    "objective": Option(
        _one_of("objective", OBJECTIVES),
        f"what the attacker increases: {', '.join(OBJECTIVES)} [cross-entropy; margin for square, "
        "spsa and universal]",
    ),
    "temperature": Option(_number, "of the objective's softmax [1]"),
    "steps": Option(_whole, "steps of pgd, apgd and spsa [10], square [100], universal's fit [40]"),
    "step_size": Option(_number, "of pgd, spsa and universal, in pixels [min(L, 2.5 L / steps)]"),
    "momentum": Option(_number, "of the gradient: pgd [0], universal [0.9]"),
    "restarts": Option(_whole, "random restarts of pgd and apgd [1]"),
    "directions": Option(_whole, "pairs of queries per step of spsa [16]"),
    "grad_samples": Option(_whole, "passes per gradient [10 for a random victim, else 1]"),
    "policy_samples": Option(_whole, "passes averaged per action [1]"),
    "frames": Option(
        _one_of("frames", get_args(Frames)),
        "frames of the stack that are tampered with: all or newest [all]",
    ),
    "observation": Option(
        _one_of("observation", get_args(Observation)),
        "dtype in which they arrive: float or uint8 [float]",
    ),
    "defense": Option(_text, "sap-100 (any sap-K), q-noise-S, agent:NAME, or none [sap-100]"),
    "sampler": Option(_one_of("sampler", SAMPLERS), "SAP's draws: exact or bernoulli [exact]"),
    "backward": Option(
        _one_of("backward mode", BACKWARDS), "SAP's gradient: mask, full or identity [mask]"
    ),
    "victim": Option(
        _victims,
        "gradient used on the defended agent: self, original, both, or another agent's name or "
        "folder; several with commas [both]",
    ),
    "attack_backward": Option(
        _one_of("backward mode", BACKWARDS),
        "SAP's gradient in the attacker's copy alone: mask, full or identity [the player's]",
    ),
    "schedule": Option(
        _schedule,
        "when the attacker strikes: every, threshold-L, rate-L or random-L, L in 0..1 [every]",
    ),
    "episodes": Option(_whole, "episodes per arm [30]"),
    "num_envs": Option(_whole, "games at once [32]"),
    "max_frames": Option(_whole, "cap in emulator frames; 108000 is 30 minutes [18000]"),
    "epsilon": Option(_number, "share of random actions [0.01]"),
    "seed": Option(_whole, "everything random follows from it [0]"),
    "precision": Option(
        _one_of("precision", PRECISIONS), "of the networks: float32 or bfloat16 [float32]"
    ),
    "device": Option(_text, "where networks compute, e.g. cpu or cuda [cpu]"),
    "threads": Option(_whole, "threads of torch and of the emulators [torch's]"),
    "controls": Option(_switch, "play the random and matched controls [true]"),
}


def _truth(value: Any) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    return _switch(value)


READERS: dict[type, Callable[[Any], Any]] = {
    int: _whole, float: _number, bool: _truth, str: _text
}  # fmt: skip
"""How an entry's option is read from a word, by its type."""


def _declared(entries: Registry[AttackFactory] | Registry[Defense]) -> dict[str, Option]:
    """The options that the entries of a registry declare and a word can say, with their first
    entry's line of help."""
    found: dict[str, Option] = {}
    for name, entry in entries.items():
        for option, field in entry.options.items():
            if field.type in READERS and option not in found:
                choices = f": {', '.join(field.choices)}" if field.choices else ""
                text = f"of {name}: {field.help}{choices} [{field.default}]".replace("%", "%%")
                read = _one_of(option, field.choices) if field.choices else READERS[field.type]
                found[option] = Option(read, text)
    return found


STRENGTHS = {entry.strength for entry in DEFENSES.values()}
"""Options that stand in a defence's spelling."""
ATTACK_OPTIONS = _declared(ATTACKS)
DEFENSE_OPTIONS = {k: v for k, v in _declared(DEFENSES).items() if k not in STRENGTHS}
EVAL_OPTIONS = {**ATTACK_OPTIONS, **DEFENSE_OPTIONS, **EVAL_OPTIONS}

AUDIT_OPTIONS: dict[str, Option] = {
    "game": EVAL_OPTIONS["game"],
    "defense": EVAL_OPTIONS["defense"],
    "lambda": Option(_lambdas, "budgets in pixel units 0..255 [0.25 for quick, else 0.05 to 8]"),
    "budget": Option(
        _one_of("budget", get_args(Budget)),
        f"{', '.join(get_args(Budget))}: 15 minutes, 2 hours, unbounded [standard]",
    ),
    "episodes": Option(_whole, "of each cell [10, 10 to 30, 100 by budget]"),
    "frames": Option(_whole, "recorded frames per lambda [at most 512, by budget]"),
    "max_frames": Option(_whole, "cap in emulator frames [18000]"),
    "seed": EVAL_OPTIONS["seed"],
}


def read_yaml(path: Path) -> dict[str, Any]:
    """An experiment's file as a mapping of options; UsageError if it is not one."""
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"config '{path}' cannot be read: {reason}") from error
    if not isinstance(loaded, dict):
        raise UsageError(f"config '{path}' must be a mapping of options, got {loaded!r:.60}")
    return {str(key).replace("-", "_"): value for key, value in loaded.items()}


def read_option(name: str, value: Any, options: Mapping[str, Option] = EVAL_OPTIONS) -> Any:
    """The value of one option, checked; UsageError names the option and the value."""
    require_option(name, options)
    return _read(name, options[name].read, value)


def require_option(name: str, options: Mapping[str, Option] = EVAL_OPTIONS) -> None:
    """UsageError for a name that is no option, with the nearest."""
    if name not in options:
        raise unknown("option", name, options)


def read_whole(name: str, value: Any) -> int:
    """A whole number that is no option of an experiment; UsageError names it and the value."""
    found: int = _read(name, _whole, value)
    return found


def read_number(name: str, value: Any) -> float:
    """A number that is no option of an experiment; UsageError names it and the value."""
    found: float = _read(name, _number, value)
    return found


def _read(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except UsageError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name.replace('_', '-')}: cannot use {value!r}") from None
