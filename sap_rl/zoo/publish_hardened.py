"""From a hardening's folder to an agent that others can load."""

from __future__ import annotations

import math
import shutil
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sap_rl.agents import Agent, from_checkpoint, load_agent
from sap_rl.atari.preprocess import Preprocess, preprocess_entries
from sap_rl.certify.rates import certification_facts
from sap_rl.errors import UsageError, require_at_least
from sap_rl.files import made_beside
from sap_rl.networks.checkpoint import Checkpoint
from sap_rl.networks.loaders.layers import empty_network
from sap_rl.networks.loaders.native import write_native
from sap_rl.training.checkpoint import Saved, latest_checkpoint, read_checkpoint
from sap_rl.training.curve import CURVE
from sap_rl.training.harden.settings import HardenSettings
from sap_rl.training.harden.start import CHECKPOINTS, KIND
from sap_rl.zoo.publish import agent_folder
from sap_rl.zoo.score import CAPS, SCORE_SEED, score_facts, score_settings
from sap_rl.zoo.scoring import ExportEvent, Scoring

ATTACKS_SHOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "fgsm": ("fgsm", {}),
    "pgd_20_margin": ("pgd", {"steps": 20, "objective": "margin"}),
}
"""Under which a card states the return at the agent's own lambda; an audit knows worse ones."""
OPTIONS = "harden.yaml"
"""In an agent's folder, the options that its hardening was given."""
FRAMES = 512
"""Of the agent's own clean play, on which actions are certified."""


def is_hardening(run: Path) -> bool:
    """Whether a folder is a hardening's, not a training run's."""
    last = latest_checkpoint(run / CHECKPOINTS)
    return last is not None and read_checkpoint(last).run.get("kind") == KIND


@dataclass(frozen=True)
class Hardened:
    """What a hardening's last checkpoint holds: the network as an agent, and how it was made."""

    checkpoint: Checkpoint
    agent: Agent
    facts: dict[str, Any]
    lam: float
    name: str


def read_hardened(run: Path) -> Hardened:
    """The student of a hardening's last checkpoint; UsageError for any other folder."""
    last = latest_checkpoint(run / CHECKPOINTS)
    saved = read_checkpoint(last) if last is not None else None
    if saved is None or saved.run.get("kind") != KIND:
        raise UsageError(f"'{run}' holds no hardening: there is no checkpoint of one in it")
    made = saved.run
    if made["network"] is None:
        raise UsageError(
            "a module of one's own has no format to be written in; keep the Agent that harden gives"
        )
    preprocess = Preprocess(**preprocess_entries(made["preprocess"]))
    module = empty_network(made["network"], made["num_actions"], preprocess).to_empty(device="cpu")
    name = f"{made['agent']}-hardened"
    checkpoint = Checkpoint(
        module.eval(), made["num_actions"], preprocess, name, made["game"], None,
        kind=made["network"],
    )  # fmt: skip
    agent = from_checkpoint(checkpoint)
    try:
        agent.module.load_state_dict(saved.parts["weights"])
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"'{saved.path}' does not fit its own network: {error}") from error
    return Hardened(checkpoint, agent, _facts(saved), float(made["settings"]["lam"]), name)


def _facts(saved: Saved) -> dict[str, Any]:
    """What the card says about the hardening."""
    made, settings = saved.run, HardenSettings(**saved.run["settings"])
    done, planned = saved.progress.updates, settings.updates
    if done < planned or not planned:
        raise UsageError(
            f"'{saved.path}' has made {done:,} of {planned or 'unplanned'} updates: finish it with "
            "sap-rl harden --resume"
        )
    usual = HardenSettings(lam=settings.lam, updates=settings.updates, minutes=settings.minutes)
    asked = f"--lambda {settings.lam:g} --updates {settings.updates}"
    if settings != usual:
        asked = f"--config {OPTIONS}"
    command = (
        f"sap-rl harden --game {made['game']} --agent {made['agent']} {asked} "
        f"--seed {made['seed']} --threads {made['made_with']['threads']}"
    )
    facts: dict[str, Any] = {
        "algorithm": "adversarial distillation from itself",
        "parent": made["agent"],
        "parent_sha256": made["agent_sha256"] or "",
        "lambda": settings.lam,
        "updates": saved.progress.updates,
        "frames": saved.progress.steps,
        "minutes": round(saved.progress.seconds / 60, 1),
        "seed": made["seed"],
        "command": command,
        "curve": CURVE,
    }
    # A stop is a boundary that the command alone does not repeat.
    stops = saved.progress.number - math.ceil(done / settings.checkpoint_updates)
    if stops:
        facts["stops"] = stops
    facts |= made["made_with"]
    return facts | {"config": asdict(settings)}


def write_agent(run: Path) -> Path:
    """The student as an agent's folder within the run's, without measured scores."""
    found = read_hardened(run)
    folder = run / found.name
    _write(folder, found, {})
    return folder


def _write(folder: Path, found: Hardened, scores: Mapping[str, Any]) -> Agent:
    write_native(
        folder,
        found.checkpoint.module,
        kind=found.checkpoint.kind,
        num_actions=found.checkpoint.num_actions,
        game=str(found.checkpoint.game),
        preprocess=found.checkpoint.preprocess,
        facts={"hardening": found.facts, "licence": {"weights": "as its parent's"}, **scores},
    )
    options = yaml.safe_dump(found.facts["config"], sort_keys=False)
    (folder / OPTIONS).write_text(options, encoding="utf-8")
    return load_agent(folder)


class HardenExport:
    """The export of one hardening: iterate `run()`, then `folder` holds the agent.

    out, name, episodes, replace: as in `Export`; attacked_episodes: under each of ATTACKS_SHOWN.
    """

    def __init__(
        self,
        run: Path,
        out: Path,
        *,
        name: str | None = None,
        episodes: int = 100,
        attacked_episodes: int = 30,
        replace: bool = False,
    ) -> None:
        require_at_least("episodes", episodes, 2)
        require_at_least("attacked_episodes", attacked_episodes, 2)
        self.source, self.found = run, read_hardened(run)
        self.attacked_episodes = attacked_episodes
        self.folder = agent_folder(out, name or self.found.name, replace)
        self.total = len(CAPS) * episodes + 2 * len(ATTACKS_SHOWN) * attacked_episodes
        self.scoring = Scoring(
            self.folder.name, str(self.found.checkpoint.game), episodes, CAPS, self.total
        )

    def run(self) -> Iterator[ExportEvent]:
        """Measure, write."""
        with made_beside(self.folder) as beside:
            agent = _write(beside, self.found, {})
            scores = yield from self.scoring.measure(agent)
            attacked = yield from self._attacked(agent)
            bounds = certification_facts(agent, self.scoring.game, self.found.lam, count=FRAMES)
            _write(beside, self.found, scores | {"attacked": attacked} | bounds)
            if (self.source / CURVE).exists():
                shutil.copy(self.source / CURVE, beside / CURVE)

    def _attacked(self, agent: Agent) -> Generator[ExportEvent, None, dict[str, Any]]:
        """The return under each attack at the agent's lambda, as tables of the card."""
        tables = {}
        plain = score_settings(
            self.scoring.game,
            episodes=self.attacked_episodes,
            seed=SCORE_SEED,
            max_frames=CAPS["cap_5_minutes"],
            sticky_actions=agent.preprocess.sticky_actions,
        )
        for name, (attack, options) in ATTACKS_SHOWN.items():
            plan = replace(plain, lams=(self.found.lam,), attack=attack, attack_options=options)
            row = yield from self.scoring.play(agent, plan)
            tables[name] = score_facts(self.folder.name, row, plan)
        return tables
