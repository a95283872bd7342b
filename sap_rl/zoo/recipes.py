"""A recipe per game: what its training does otherwise, and when the zoo lets a run or agent be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from sap_rl.atari.games import canonical_game
from sap_rl.errors import UsageError, unknown
from sap_rl.schema import Option, by_any_name, check, keyed, read_fields
from sap_rl.training.dqn.settings import TrainSettings, train_settings


@dataclass(frozen=True)
class Rules:
    """What becomes of a game's runs and of its agent."""

    look_at: Annotated[
        int,
        Option(
            "by which a run is above random play, or another seed starts from nothing, 0 for never",
            "agent steps",
            within="from zero",
        ),
    ] = 0
    frozen: Annotated[bool, Option("its agent is neither trained on nor replaced")] = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Recipe:
    """How a game is trained, and by which rules."""

    settings: TrainSettings = field(default_factory=TrainSettings)
    rules: Rules = field(default_factory=Rules)


def read_recipes(said: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Recipe]:
    """Recipes by the games' canonical names, in the order in which they are said.

    base: training options under all of them. UsageError for an unknown game, an unknown key, with
    the nearest, or an unusable value; it names the game.
    """
    return {canonical_game(game): _recipe(game, options, base) for game, options in said.items()}


def _recipe(game: str, options: Any, base: Mapping[str, Any]) -> Recipe:
    if not isinstance(options, Mapping):
        raise UsageError(f"{game}: a recipe is a mapping of options, got {options!r:.60}")
    rules, training = keyed(Rules), keyed(TrainSettings)
    for key in options:
        if key not in rules and key not in by_any_name(training):
            raise unknown(f"option of {game}", str(key), [*rules, *training])
    own = {key: value for key, value in options.items() if key in rules}
    other = {key: value for key, value in options.items() if key not in rules}
    try:
        return Recipe(
            train_settings({**base, **other}), Rules(**read_fields(Rules, own, "option of a game"))
        )
    except UsageError as error:
        raise UsageError(f"{game}: {error}") from None
