"""Uses the three additions in every way there is; prints what it found as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import lines  # noqa: F401 (before anything else of the package)
import numpy as np
import torch

from sap_rl import Protocol, UsageError, evaluate, load_agent
from sap_rl.attacks import make_attack
from sap_rl.audit.run import Audit
from sap_rl.audit.settings import AuditSettings
from sap_rl.cli import main
from sap_rl.networks.nature import nature_network
from sap_rl.play.victims import with_backward
from sap_rl.reporting.tables.audit import audit_report
from sap_rl.reporting.tables.evaluation import console

torch.set_num_threads(1)
FOLDER = Path(tempfile.mkdtemp())
SHORT = Protocol(max_frames=100, grad_samples=1)
COMMAND = [
    "eval", "--game", "BankHeist", "--lambda", "60", "--episodes", "1", "--max-frames", "100",
    "--grad-samples", "1", "--no-controls", "--quiet", "--victim", "own",
]  # fmt: skip
ASKED: dict[str, Any] = {
    "lam": 60.0, "episodes": 1, "protocol": SHORT, "controls": False, "victims": ("own",)
}  # fmt: skip


def told(*command: str) -> str:
    """What a command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(list(command)) == 0
    return out.getvalue()


def returns(*options: str) -> dict[str, Any]:
    """The result of a command as JSON."""
    target = FOLDER / "out.json"
    told(*COMMAND, *options, "--json", str(target))
    return dict(json.loads(target.read_text()))


def refusal(call: Any) -> str:
    try:
        call()
    except UsageError as error:
        return str(error)
    return "taken"


def scores(rows: list[Any]) -> list[Any]:
    """Returns and shares of changed actions, row by row."""
    plain = [row if isinstance(row, dict) else vars(row) for row in rows]
    return [[list(row["returns"]), row["flip_rate"]] for row in plain]


def attack() -> dict[str, Any]:
    """The same evaluation from the command line, from YAML and in Python."""
    with_options = ("--attack", "rings", "--width", "3", "--light", "false", "--defense", "none")
    command = returns(*with_options)
    config = FOLDER / "rings.yaml"
    config.write_text("attack: rings\nwidth: 3\nlight: false\ndefense: none\n")
    python = evaluate(
        "BankHeist", "BankHeist", attack="rings", attack_options={"width": 3, "light": False},
        defense=None, **ASKED,
    )  # fmt: skip
    plain = evaluate("BankHeist", "BankHeist", attack="rings", defense=None, **ASKED)
    return {
        "options": command["config"]["attack_options"],
        "command": scores(command["rows"]),
        "yaml": scores(returns("--config", str(config))["rows"]),
        "python": scores(python.rows),
        "defaults": scores(plain.rows),
        "unknown": refusal(lambda: make_attack("rings", steps=3)),
    }


def defense() -> dict[str, Any]:
    """Clean and attacked returns of defended play beside the original's."""
    found: dict[str, Any] = {}
    whole = Protocol(max_frames=100, grad_samples=1, observation="uint8")
    for bits in ("8", "1"):
        result = evaluate(
            "BankHeist", "BankHeist", attack="rings", defense=f"bits-{bits}",
            **ASKED | {"protocol": whole},
        )  # fmt: skip
        found[bits] = _by_arm(result.rows)
    command = returns("--attack", "rings", "--defense", "bits-8", "--observation", "uint8")
    found["command"] = _by_arm(command["rows"])
    agent = load_agent("BankHeist").defend("bits-8", backward="identity", seed=0)
    found["backward"] = with_backward(agent, "full").module.backward
    found["refused"] = refusal(lambda: with_backward(agent, "mask"))
    return found


def _by_arm(rows: list[Any]) -> dict[str, list[list[float]]]:
    plain = [row if isinstance(row, dict) else vars(row) for row in rows]
    return {
        name: scores([row for row in plain if row["arm"] == name])
        for name in ("original", "defended")
    }


def audit() -> dict[str, Any]:
    """Both in a small audit."""
    settings = AuditSettings(
        "BankHeist", (1.0,), defense="bits-2", budget="quick", episodes=1, frames=2, every=2,
        strongest=1, protocol=Protocol(max_frames=60),
    )  # fmt: skip
    found = Audit(load_agent("BankHeist"), settings)
    list(found.run())
    with console(file=io.StringIO()) as shown, shown.capture() as report:
        shown.print(audit_report(found.card()))
    titles = [result.title for result in found.frames if result.player == "defended"]
    return {"titles": titles, "report": report.get()}


def formats() -> dict[str, Any]:
    """A file of the new format, read in every way."""
    torch.manual_seed(3)
    network = nature_network(18)
    path = FOLDER / "theirs.pt"
    torch.save({f"added.{name}": value for name, value in network.state_dict().items()}, path)
    pixels = np.random.default_rng(0).integers(256, size=(2, 4, 84, 84), dtype=np.uint8)
    with torch.no_grad():
        values = network(torch.from_numpy(pixels) / 255)
    return {
        "values": values.tolist(),
        "recognised": load_agent(path).q_values(pixels).tolist(),
        "said": load_agent(path, format="added").q_values(pixels).tolist(),
        "shown": told("agents", "show", str(path), "--format", "added"),
    }


print(  # noqa: T201
    json.dumps(
        {
            "attack": attack(),
            "defense": defense(),
            "audit": audit(),
            "format": formats(),
            "printed": {
                "attacks": told("attacks"),
                "attack": told("attacks", "rings"),
                "defenses": told("defenses"),
                "defense": told("defenses", "bits"),
            },
        }
    )
)
