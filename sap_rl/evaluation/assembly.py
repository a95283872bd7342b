"""An evaluation from its rows, the same whether these were played just now or kept in a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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
class Origin:
    """From where an evaluation's agents were loaded, so that its command can name them again.

    agent, other: what `load_agent` took for the original and for the one behind victim `other`,
    None where it was given an agent; loading: the original's `format` and `preprocess`, as plain
    data.
    """

    agent: str | None = None
    loading: dict[str, Any] = field(default_factory=dict)
    other: str | None = None

    @classmethod
    def of(cls, agent: str, loading: Mapping[str, Any], other: str | None = None) -> Origin:
        """Of a request; loading: options of `load_agent`, others than these two left out."""
        kept = {name: loading[name] for name in LOADING if loading.get(name) is not None}
        if isinstance(kept.get("preprocess"), Preprocess):
            kept["preprocess"] = asdict(kept["preprocess"])
        return cls(agent, kept, other)


LOADING = ("format", "preprocess")


@dataclass(frozen=True)
class AgentFacts:
    """What an evaluation states about its agents and where they computed; see `Agent`.

    defended_sha256: of the file of the one that plays as `defended`, the agent's own where it
    plays behind a defence; other, other_sha256: of the one behind victim `other`; origin: None
    where it was not recorded.
    """

    name: str
    sha256: str | None
    preprocess: Preprocess
    device: str
    threads: int
    defended_sha256: str | None = None
    other: str | None = None
    other_sha256: str | None = None
    origin: Origin | None = None

    @classmethod
    def of(
        cls,
        agent: Agent,
        defended: Agent | None = None,
        other: Agent | None = None,
        *,
        threads: int,
        origin: Origin | None = None,
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
            origin,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    def deciding(self) -> dict[str, Any]:
        """As plain JSON, without from where files were loaded: their hashes say what they are."""
        return {name: fact for name, fact in self.to_json().items() if name != "origin"}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> AgentFacts:
        """What `to_json` wrote."""
        origin = plain.get("origin")
        made = {
            "preprocess": Preprocess(**_tuples(plain["preprocess"])),
            "origin": None if origin is None else Origin(**origin),
        }
        return cls(**{**plain, **made})


def assemble(
    settings: Settings,
    about: AgentFacts,
    rows: list[Row],
    versions: dict[str, str],
    *,
    arms: int,
    made: Mapping[str, Any] | None = None,
) -> Evaluation:
    """The evaluation with what follows from its rows: changes and checks.

    arms: as planned; made: the `commit` and `code` that played it, and the stopping rule `until`.
    """
    origin, made = about.origin or Origin(), made or {}
    config = asdict(settings) | {
        "num_envs": settings.parallel,
        "agent": about.name,
        "agent_sha256": about.sha256,
        "defended_sha256": about.defended_sha256,
        "other": about.other,
        "other_sha256": about.other_sha256,
        "agent_ref": origin.agent,
        "agent_loading": origin.loading,
        "other_ref": origin.other,
        "commit": made.get("commit"),
        "code": made.get("code"),
        "until": made.get("until"),
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
