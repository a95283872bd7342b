"""An evaluation from its rows, the same whether these were played just now or kept in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sap_rl.agents import Agent
from sap_rl.atari.preprocess import Preprocess
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks.schedule import Schedule
from sap_rl.evaluation.findings import evaluation_findings
from sap_rl.evaluation.results import Evaluation, Row
from sap_rl.evaluation.settings import Settings
from sap_rl.evaluation.summary import make_changes


@dataclass(frozen=True)
class AgentFacts:
    """What an evaluation states about its agents and where they computed; see `Agent`.

    defended_sha256: of the file of the one that plays as `defended`, the agent's own where it
    plays behind a defence; other, other_sha256: of the one behind victim `other`.
    """

    name: str
    sha256: str | None
    preprocess: Preprocess
    device: str
    threads: int
    defended_sha256: str | None = None
    other: str | None = None
    other_sha256: str | None = None

    @classmethod
    def of(
        cls,
        agent: Agent,
        defended: Agent | None = None,
        other: Agent | None = None,
        *,
        threads: int,
    ) -> AgentFacts:
        """These facts of an agent, of who plays as `defended` and of who lends a gradient;
        threads: of torch."""
        return cls(
            agent.name,
            agent.sha256,
            agent.preprocess,
            str(agent.device),
            threads,
            defended.sha256 if defended is not None else None,
            other.name if other is not None else None,
            other.sha256 if other is not None else None,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> AgentFacts:
        """What `to_json` wrote."""
        return cls(**{**plain, "preprocess": Preprocess(**_tuples(plain["preprocess"]))})


def assemble(
    settings: Settings, about: AgentFacts, rows: list[Row], versions: dict[str, str], *, arms: int
) -> Evaluation:
    """The evaluation with what follows from its rows: changes and checks; arms: as planned."""
    config = asdict(settings) | {
        "num_envs": settings.parallel,
        "agent": about.name,
        "agent_sha256": about.sha256,
        "defended_sha256": about.defended_sha256,
        "other": about.other,
        "other_sha256": about.other_sha256,
        "device": about.device,
        "threads": about.threads,
        "arms": arms,
    }
    protocol = config.pop("protocol") | {"preprocess": asdict(about.preprocess)}
    changes = make_changes(settings, rows)
    checks = evaluation_findings(settings, rows, changes)
    return Evaluation(config, versions, protocol, tuple(rows), changes, checks)


def settings_from_json(plain: Mapping[str, Any]) -> Settings:
    """Settings from `asdict` after JSON, where tuples are lists."""
    given = _tuples(plain)
    for name in ("attack_options", "defense_options"):
        given[name] = _tuples(given[name])
    given["schedule"] = Schedule(**given["schedule"])
    given["protocol"] = Protocol(**given["protocol"])
    return Settings(**given)


def _tuples(plain: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
