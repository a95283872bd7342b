"""What an evaluation states besides its settings and numbers: who played, and what made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from sap_rl.agents import Agent
from sap_rl.atari.preprocess import Preprocess
from sap_rl.plain import OptionValue, from_plain, to_plain
from sap_rl.statistics.sequential import StoppingRule


class LoadingFacts(TypedDict, total=False):
    """The options of `load_agent` that an evaluation repeats, those that were given."""

    format: str
    preprocess: dict[str, OptionValue]
    entry: str


@dataclass(frozen=True)
class Origin:
    """Where an evaluation's agents were loaded from, so that its command can name them again.

    agent, other: what `load_agent` took for the original and for the one behind victim `other`,
    None where it was given an agent or nothing was recorded.
    """

    agent: str | None = None
    loading: LoadingFacts = field(default_factory=LoadingFacts)
    other: str | None = None

    @classmethod
    def of(cls, agent: str, loading: Mapping[str, Any], other: str | None = None) -> Origin:
        """The origin that a request states; loading: options, those of `LoadingFacts` are kept."""
        kept = {
            k: v for k, v in loading.items() if k in LoadingFacts.__annotations__ and v is not None
        }
        return cls(agent, from_plain(LoadingFacts, to_plain(kept)), other)


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
    origin: Origin = field(default_factory=Origin)

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
            origin or Origin(),
        )

    def deciding(self) -> dict[str, Any]:
        """The facts as plain JSON, without `origin`: the files' hashes say what was loaded."""
        return {name: fact for name, fact in to_plain(self).items() if name != "origin"}


@dataclass(frozen=True)
class Made:
    """What made an evaluation.

    versions: of everything that a result depends on; commit, code: of this package's sources, None
    where that is not known; until: the stopping rule, None for a fixed number of episodes.
    """

    versions: dict[str, str]
    commit: str | None = None
    code: str | None = None
    until: StoppingRule | None = None
