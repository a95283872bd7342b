"""The core's golden cells: two games, plain and sap-100, clean and under FGSM at lambda 1.

On a machine of the kind that made them (`cells.json` names it) every return, rate and frame is the
same to the last bit. On another one float sums may round otherwise, after which games take other
courses: there, only the number and kind of arms and episodes is checked, and that the adversary
kept to its budget.
"""

from __future__ import annotations

import pytest

from tests.compat.cells import GAMES, play
from tests.compat.kept import assert_holds, read_json
from tests.compat.machine import must_repeat


@pytest.mark.parametrize("game", GAMES)
def test_returns_and_frames_are_what_they_were(game: str) -> None:
    whole = read_json("cells.json")
    golden, found = whole[game], play(game)
    arms = [(row["arm"], row["lam"], row["victim"], len(row["returns"])) for row in found["rows"]]
    assert arms == [
        ("original", 0.0, None, 2), ("defended", 0.0, None, 2), ("original", 1.0, "own", 2),
        ("defended", 1.0, "own", 2),
    ]  # fmt: skip
    assert all(length <= 300 for row in found["rows"] for length in row["lengths"])
    assert all(row["linf_max"] < 1 + 1e-5 for row in found["rows"][2:])
    if must_repeat(whole):
        assert_holds(found, golden, game)
