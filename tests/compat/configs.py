"""What the YAML files of a day mean, as plain JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sap_rl.settings.options import read_yaml
from sap_rl.settings.requests import eval_request
from sap_rl.settings.sweep import sweep_request
from sap_rl.training.dqn.settings import train_settings
from sap_rl.training.harden.settings import harden_settings


def meaning(path: Path) -> dict[str, Any]:
    """Of one file: `train/` and `harden/` by their folder, others are sweeps or evaluations."""
    options = read_yaml(path)
    found: dict[str, Any]
    if path.parent.name == "train":
        found = asdict(train_settings(options))
    elif path.parent.name == "harden":
        found = asdict(harden_settings(options))
    elif path.stem == "bank_heist":
        found = asdict(eval_request(options))
    else:
        request = sweep_request(options, {})
        experiments = [asdict(experiment) for experiment in request.experiments]
        found = {"experiments": experiments, "skipped": request.skipped}
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain
