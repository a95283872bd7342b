"""Several games in a table of 80 columns and on the page."""

from __future__ import annotations

from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.tables.across_games import LOOKED, OVER, QUARTERS, across_report
from sap_rl.reporting.tables.evaluation import console
from tests.evaluation.made_up import rewritten
from tests.reporting.made import evaluation


def both(**settings: object) -> list[Evaluation]:
    games = ("BankHeist", "Assault")
    return [evaluation((1.0,), game=g, agent=g, sha256=g, **settings) for g in games]  # type: ignore[arg-type]


def printed(*evaluations: Evaluation) -> str:
    screen = console(force_terminal=False)
    with screen.capture() as shown:
        screen.print(across_report(evaluations))
    return shown.get()


def test_two_games_make_a_table_that_fits() -> None:
    lines = printed(*both()).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Across 2 games (Assault, BankHeist): sap-100, fgsm"
    assert lines[1].split() == [
        "lambda",
        "of",
        "original",
        "95%",
        "defended",
        "95%",
        "better",
        "95%",
    ]
    # Clean: (500 - 222.4) / (742 - 222.4) and (500 - 14.2) / (753.1 - 14.2), their mean 0.60.
    assert lines[2].split()[:3] == ["0", "mean", "0.60"]
    assert lines[2].split()[6:] == ["0.00", "0.00..0.00"]
    assert lines[3].split()[0] == "1"
    text = " ".join(" ".join(lines).split())
    assert OVER["episodes"] in text
    assert QUARTERS not in text
    assert LOOKED not in text


def test_one_game_makes_none() -> None:
    assert across_report([evaluation()]) is None


def test_what_intervals_are_over_is_said_for_each_column_where_it_differs() -> None:
    """Two hardened networks for each original: only the hardened ones are training runs."""
    found = []
    for whole in both(defense="agent:h"):
        for sha in ("1", "2"):
            found.append(rewritten(whole, defended_sha256=f"{whole.settings.game}{sha}"))
    text = " ".join(printed(*found).split())
    assert f"original, better: {OVER['episodes']}" in text
    assert f"defended: {OVER['training runs']}" in text
    assert "networks: " not in text


def test_networks_of_one_game_are_named_and_quarters_explained() -> None:
    more = [
        evaluation((1.0,), game=g, agent=f"{g}-2", sha256=f"{g}2") for g in ("BankHeist", "Assault")
    ]
    out = printed(*both(), *more)
    text = " ".join(out.split())
    assert OVER["training runs"] in text
    assert "BankHeist counts 2 networks: BankHeist, BankHeist-2." in text
    assert QUARTERS in text
    assert [line.split()[1] for line in out.splitlines()[2:6]] == ["mean", "iqm"] * 2
    assert max(map(len, out.splitlines())) <= 80


def test_a_weak_attack_is_said() -> None:
    said = "sap-100, fgsm, Assault: the defended player was not attacked on its own gradient"
    bank, assault = both(victims=("original",))
    own, _ = both()
    assert said in " ".join(printed(own, assault).split())
    assert "BankHeist: the defended" not in printed(own, assault)
    assert said.replace("Assault", "BankHeist") in " ".join(printed(bank, assault).split())
    assert "own gradient" not in printed(*both())


def test_a_stopping_rule_is_said() -> None:
    looked = [rewritten(e, look_level=0.99) for e in both()]
    assert LOOKED in " ".join(printed(*looked).split())
