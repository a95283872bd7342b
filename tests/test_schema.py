"""Options say once what they are: read, checked, described and documented alike."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from sap_rl.errors import UsageError
from sap_rl.schema import Option, check, documented, keyed, options_of, read_fields, with_defaults


@dataclass(frozen=True)
class Baking:
    """A settings class."""

    loaves: Annotated[int, Option("in the oven", "pieces", within="count")] = 3
    salt: Annotated[float, Option("of the flour", within="share")] = 0.02
    flour: Annotated[Literal["rye", "spelt"], Option("ground")] = "rye"
    lam: Annotated[float | None, Option("rise", name="lambda", within="above zero")] = None
    steam: Annotated[bool, Option("at the start")] = True
    secret: Annotated[str, Option("in Python alone", hidden=True)] = ""
    plain: int = 7

    def __post_init__(self) -> None:
        check(self)


def test_lines_hold_unit_choices_and_default() -> None:
    lines = {name: option.line for name, option in options_of(Baking).items()}
    assert lines == {
        "loaves": "in the oven (pieces) [3]",
        "salt": "of the flour [0.02]",
        "flour": "ground: rye, spelt [rye]",
        "lam": "rise",
        "steam": "at the start [true]",
        "secret": "in Python alone",
    }


def test_keys_are_what_flags_and_yaml_say() -> None:
    assert list(keyed(Baking)) == ["loaves", "salt", "flour", "lambda", "steam"]
    assert list(keyed(Baking, only=("salt",))) == ["salt"]


def test_values_are_read_by_key_or_name() -> None:
    said = {"loaves": "2e0", "salt": "0.5", "lambda": "4", "steam": "false"}
    found = read_fields(Baking, said, "ingredient")
    assert Baking(**found) == Baking(2, 0.5, "rye", 4.0, False)
    assert read_fields(Baking, {"lam": 1}, "ingredient") == {"lam": 1.0}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"laoves": 2}, "unknown ingredient 'laoves'; choose from loaves"),
        ({"secret": "x"}, "unknown ingredient 'secret'"),
        ({"loaves": 2.5}, "loaves: cannot use 2.5"),
        ({"loaves": True}, "loaves: cannot use True"),
        ({"flour": "spelled"}, "unknown flour 'spelled'; choose from spelt, rye"),
        ({"flour": 3}, "flour: cannot use 3"),
        ({"lambda": "x"}, "lambda: cannot use 'x'"),
        ({"steam": "yes"}, "steam: cannot use 'yes'"),
        ({"loaves": 0}, "loaves must be at least 1, got 0"),
        ({"salt": 1.5}, "salt must lie in 0..1, got 1.5"),
        ({"lambda": 0}, "lambda must be above 0, got 0.0"),
    ],
)
def test_refusals_are_one_line(said: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Baking(**read_fields(Baking, said, "ingredient"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_younger_than_a_run_did_what_its_default_does() -> None:
    found = with_defaults(Baking, {"salt": 0.5})
    assert (found["salt"], found["loaves"], found["steam"]) == (0.5, 3, True)


def test_a_function_is_documented_by_the_settings_it_takes() -> None:
    @documented(Baking, oven="which one")
    def bake(oven: str, *, loaves: int = 3) -> None:
        """Bake."""

    assert inspect.getdoc(bake) == "Bake.\n\noven: which one\nloaves: in the oven (pieces) [3]"
