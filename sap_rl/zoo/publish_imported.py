"""From another project's checkpoint to an agent of our own format: converted, rounded, measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sap_rl.agents import Agent, load_agent, read_checkpoint
from sap_rl.atari.games import canonical_game
from sap_rl.errors import UsageError, require_at_least
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.files import made_beside
from sap_rl.networks.loaders.native import write_native
from sap_rl.zoo.publish import agent_folder
from sap_rl.zoo.score import CAPS, SCORE_SEED, score_settings
from sap_rl.zoo.scoring import ExportEvent, Scoring


class Import:
    """The import of one checkpoint: iterate `run()`, then `folder` holds the agent.

    source: anything that `load_agent` takes but a module; game: it plays; out, name, episodes and
    replace as in `Export`; format, preprocess: as in `load_agent`. The agent's folder appears
    whole, after all games. UsageError at once for a file that does not load or a network that does
    not fit the game.
    """

    def __init__(
        self,
        source: str | Path,
        out: Path,
        *,
        game: str,
        format: str | None = None,
        preprocess: Mapping[str, Any] | None = None,
        name: str | None = None,
        episodes: int = 100,
        replace: bool = False,
    ) -> None:
        require_at_least("episodes", episodes, 2)
        self.game = canonical_game(game)
        self.checkpoint = read_checkpoint(source, format, preprocess, self.game)
        if self.checkpoint.game not in (None, self.game):
            raise UsageError(f"'{source}' is an agent of {self.checkpoint.game}, not {self.game}")
        self.folder = agent_folder(out, self.game if name is None else name, replace)
        self.scoring = Scoring(
            self.folder.name, self.game, episodes, CAPS, total=len(CAPS) * episodes
        )

    def run(self) -> Iterator[ExportEvent]:
        """Convert, measure, write."""
        with made_beside(self.folder) as beside:
            agent = self._write(beside, {})
            # Refuses what does not fit the game before a single frame of it is played.
            EvaluationRun(
                agent, score_settings(self.game, episodes=2, seed=SCORE_SEED, max_frames=4)
            )
            scores = yield from self.scoring.measure(agent)
            self._write(beside, scores)

    def _write(self, folder: Path, scores: dict[str, Any]) -> Agent:
        """The agent as whoever loads the folder will have it."""
        found = self.checkpoint
        facts = {
            "source": {**_plain(found.facts), "sha256": found.sha256 or ""},
            "licence": {"weights": "as the source says"},
        }
        write_native(
            folder,
            found.module,
            kind=found.kind,
            num_actions=found.num_actions,
            game=self.game,
            preprocess=found.preprocess,
            facts=facts | scores,
        )
        return load_agent(folder)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Words and numbers of a checkpoint's facts; a card's own tables are not handed on."""
    return {key: value for key, value in facts.items() if isinstance(value, str | int | float)}
