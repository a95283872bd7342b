"""The registry and its spellings."""

import pytest

from sap_rl import UsageError
from sap_rl.defenses import DEFENSES, parse_defense


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("sap", ("sap", {})),
        ("sap-100", ("sap", {"percent": 100.0})),
        ("sap-12.5", ("sap", {"percent": 12.5})),
        ("sap-1e2", ("sap", {"percent": 100.0})),
        ("sap--5", ("sap", {"percent": -5.0})),
        ("q-noise", ("q-noise", {})),
        ("q-noise-0.25", ("q-noise", {"sigma": 0.25})),
        ("q-noise-1e-05", ("q-noise", {"sigma": 1e-5})),
    ],
)
def test_spellings(text: str, parsed: tuple[str, dict[str, float]]) -> None:
    assert parse_defense(text) == parsed


@pytest.mark.parametrize("text", ["spa-100", "sap100", "", "noise", "q-nois-1", "SAP-100"])
def test_unknown_names_are_refused_with_the_choices(text: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown defense '{text}'.*sap-K") as caught:
        parse_defense(text)
    assert "q-noise-K" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "number"), [("sap-", ""), ("sap-abc", "abc"), ("q-noise-x", "x")])
def test_strengths_that_are_no_numbers_are_refused(text: str, number: str) -> None:
    with pytest.raises(UsageError, match=rf"defense '{text}': '{number}' is not a number; write"):
        parse_defense(text)


def test_every_strength_is_an_option_of_its_defence() -> None:
    strengths = {name: entry.strength for name, entry in DEFENSES.items()}
    assert strengths == {
        "sap": "percent", "q-noise": "sigma", "jpeg": "quality", "bit-depth": "bits",
        "median-blur": "size", "noise-vote": "sigma", "dropout": "rate",
        "swp": "percent",
    }  # fmt: skip
    assert all(strengths[name] in entry.options for name, entry in DEFENSES.items())
