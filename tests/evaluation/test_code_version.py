"""The fingerprint of the code that plays."""

from __future__ import annotations

from pathlib import Path

from sap_rl.evaluation.code_version import AUDITS, PLAYS, code_version, meaning, modules_behind

ROOT = Path(__file__).parents[2]


def test_what_plays_counts_and_what_judges_or_prints_does_not() -> None:
    behind = modules_behind(PLAYS, ROOT)
    for name in ("evaluation.rollout", "evaluation.arms", "evaluation.snapshot", "attacks.pgd",
                 "attacks.threat", "defenses.sap", "defenses.kernel", "networks.loaders.native",
                 "atari.env", "agents", "seeds", "defenses", "attacks", "evaluation.frames",
                 "evaluation.contenders"):  # fmt: skip
        assert f"sap_rl.{name}" in behind, name
    for name in ("evaluation.statistics", "evaluation.summary", "evaluation.store", "config",
                 "evaluation.sweep", "evaluation.engine_local", "cli", "reporting.tables",
                 "training.loop", "evaluation.checks"):  # fmt: skip
        assert f"sap_rl.{name}" not in behind, name


def test_comments_docstrings_and_formatting_change_nothing() -> None:
    plain = "X = 1\ndef f(a):\n    return a + X\n"
    told = (
        '"""A module."""\n\nX = 1  # one\n"""Of X."""\n\n'
        'def f(a):\n    """Adds."""\n    return (a +\n        X)\n'
    )
    assert meaning(plain) == meaning(told)
    assert meaning(plain) != meaning(plain.replace("+", "-"))
    assert meaning("def f():\n    'only this'\n") == meaning("def f():\n    pass\n")
    assert meaning("x = 'text'\n") != meaning("x = 'another'\n")


def test_imports_are_followed_through_packages(tmp_path: Path) -> None:
    for name, text in {
        "__init__": "from sap_rl import everything\n", "everything": "",
        "play": "import sap_rl.direct\nfrom sap_rl.package import part, value\nimport os\n",
        "direct": "", "package/__init__": "from sap_rl.package.value_of import value\n",
        "package/part": "", "package/value_of": "", "package/unused": "", "judge": "",
    }.items():  # fmt: skip
        file = tmp_path / "sap_rl" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = {name.removeprefix("sap_rl.") for name in modules_behind(("sap_rl.play",), tmp_path)}
    assert found == {"play", "direct", "package", "package.part", "package.value_of"}
    assert modules_behind(("sap_rl.unknown", "sap_rl.judge", "sap_rl.direct"), tmp_path).keys() == {
        "sap_rl.judge", "sap_rl.direct"
    }  # fmt: skip


def test_what_makes_an_audits_cells_counts_for_audits() -> None:
    behind = modules_behind(AUDITS, ROOT)
    assert behind.keys() > modules_behind(PLAYS, ROOT).keys()
    for name in ("audit_workshop", "audit_games", "audit_settings", "frame_stage", "suite",
                 "frames", "summary", "statistics"):  # fmt: skip
        assert f"sap_rl.evaluation.{name}" in behind, name
    for name in ("audit_card", "audit_checks", "audit_worst", "audit", "stage"):
        assert f"sap_rl.evaluation.{name}" not in behind, name
    assert code_version(AUDITS) != code_version()


def test_it_is_sixteen_digits_and_stays() -> None:
    assert len(code_version()) == 16
    assert int(code_version(), 16) >= 0
    code_version.cache_clear()
    assert code_version() == code_version.__wrapped__()
