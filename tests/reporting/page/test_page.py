"""The page says what the results say, and nothing of it runs."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from sap_rl.atari.protocol import Protocol
from sap_rl.errors import UsageError
from sap_rl.evaluation.comparison import Finding
from sap_rl.evaluation.results import Evaluation
from sap_rl.film.file import film_within
from sap_rl.play.arms import Arm
from sap_rl.reporting.figures.curves import panels
from sap_rl.reporting.page import page as report
from sap_rl.reporting.page.extras import PageExtras
from sap_rl.reporting.page.page import report_page
from sap_rl.reporting.tables.across_games import OVER
from sap_rl.reporting.tables.flags import COVERAGE, FLAGS, ONE_NETWORK, SEVERAL_LOOKS
from sap_rl.training.curve import LearningCurve
from tests.evaluation.made_up import rewritten
from tests.film.scenes import FACTS, scenes
from tests.reporting.made import evaluation, incomplete

VOID = {"meta", "link", "br", "img", "input"}
NONE = PageExtras({}, None, ())


class Reader(HTMLParser):
    """Tables as text, and every element and attribute; fails where tags do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "small":
            self.handle_data(" ")
        elif tag == "caption":
            self.captions.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data
        if "caption" in self.open:
            self.captions[-1] += data


def page(*evaluations: Evaluation, extras: PageExtras = NONE) -> Reader:
    shown = panels(evaluations)
    return Reader(report_page(shown, [extras] * len(shown)))


@pytest.fixture(scope="module")
def plain() -> Reader:
    return page(evaluation(), evaluation(game="Assault", agent="Assault"))


def test_the_headline_comes_first_with_raw_returns(plain: Reader) -> None:
    table = plain.tables[0]
    assert table[0] == [
        "lambda", "original", "defended", "difference", "change", "paper", "verdict", "flags",
        "noise control", "random",
    ]  # fmt: skip
    assert table[1] == ["Assault: sap-100 on agent Assault, fgsm"]
    assert table[6] == ["BankHeist: sap-100 on agent BankHeist, fgsm"]
    clean, attacked = table[7], table[9]
    whole = evaluation()
    row, change = whole.row("original"), whole.changes[0]
    assert row is not None
    assert clean[1] == f"500.0 {row.ci_low:.1f} to {row.ci_high:.1f}"
    assert clean[2].startswith("400.0 ")
    low, high = change.difference_low, change.difference_high
    assert clean[3] == f"-100.0 {low:+.1f} to {high:+.1f}"
    # At lambda 1 under the original's gradient, the stronger: 0.8 * 400 / 2 against 500 / 2.
    assert attacked[0] == "1"
    assert attacked[1].startswith("250.0 ")
    assert attacked[2].startswith("160.0 ")
    assert attacked[3].startswith("-90.0 ")
    assert attacked[5:7] == ["-", "harms original's gradient"]
    assert attacked[4].startswith("-36.0% ")
    assert attacked[8].startswith("152.0 ")
    assert attacked[9].startswith("10.0 ")
    assert clean[5] == "-59.2%"


def test_two_games_are_put_together_after_the_headline(plain: Reader) -> None:
    table = plain.tables[1]
    assert plain.captions[1] == "Across 2 games (Assault, BankHeist): sap-100, fgsm"
    assert [row[0] for row in table[1:]] == ["0", "0.25", "1", "4"]
    # (500 - 222.4) / (742 - 222.4) and (500 - 14.2) / (753.1 - 14.2)
    assert table[1][2].startswith("0.60 ")
    assert table[1][5] == "100% 100% 0%"
    assert OVER["episodes"] in plain.text
    assert "Across" not in page(evaluation()).text


def test_flags_are_words_and_explained() -> None:
    floor = [9.0, 11.0, 10.0, 12.0]
    arms = [Arm("original", 4.0, "own"), Arm("defended", 4.0, "own")]
    arms += [Arm("defended", 4.0, "original")]
    found = page(evaluation(brought=dict.fromkeys(arms, floor)))
    last = found.tables[0][-1]
    assert last[7] == "unstable denominator; at floor; no better than noise"
    assert FLAGS["at_floor"] in found.text
    assert FLAGS["weak_attack_only"] not in found.text, "only those that stand somewhere"


def test_every_table_has_a_caption_and_scrolls_alone(plain: Reader) -> None:
    tables = [tag for tag, _ in plain.tags if tag == "table"]
    assert len(tables) == len(plain.captions) == 2 + 2 * 3
    assert all(plain.captions)
    regions = [a for _, a in plain.tags if a.get("class") == "scroll"]
    assert len(regions) == len(tables)
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in regions)


def test_every_arm_stands_in_the_long_table(plain: Reader) -> None:
    every = plain.tables[5]
    assert len(every) == 1 + 4 + 3 * 5
    assert every[0][:6] == ["lambda", "player", "gradient", "return", "normalised", "flips"]
    row = next(r for r in every if r[:3] == ["1", "sap-100", "own"])
    assert row[5:10] == ["75%", "25%", "1", "1", "0.5"]
    assert row[10:12] == ["4", "0"]


def test_reasons_for_distrust_are_grouped_and_counted() -> None:
    finding = Finding("zero_gradients", "lambda 1", "90% had none", "attack otherwise")
    many = [replace(finding, where=f"lambda {i}") for i in range(4)]
    other = Finding("noise_as_strong", "lambda 1", "as much", "think")
    found = page(replace(evaluation(), checks=(*many, other)))
    assert "Reasons for distrust: 5" in found.text
    assert "5 reasons for distrust" in found.text
    assert "zero gradients (4)" in found.text
    assert found.text.count("attack otherwise.") == 1
    opened = [("open" in attrs) for tag, attrs in found.tags if tag == "details"]
    assert opened == [False, True]
    assert "None of the checks found" in page(replace(evaluation(), checks=())).text


def test_what_is_incomplete_is_said_first() -> None:
    found = page(incomplete(evaluation()))
    assert found.text.index("Incomplete") < found.text.index("Mean return per episode")


def test_the_headline_leaves_incomplete_arms_out() -> None:
    whole = evaluation((1.0,), defense=None)
    rows = [replace(row, complete=row.lam == 0, ci_low=None, ci_high=None) for row in whole.rows]
    found = page(replace(whole, rows=tuple(rows)))
    clean, attacked = found.tables[0][2:4]
    assert (clean[0], clean[1], clean[-1]) == ("0", "500.0", "10.0")
    assert (attacked[0], attacked[1].strip()) == ("1", "-")
    assert "4, incomplete" in [cell for table in found.tables for row in table for cell in row]
    cut = replace(whole, rows=tuple(replace(row, complete=False) for row in rows), changes=())
    assert "500.0" not in str(page(cut).tables[0]), "a page of nothing complete is a page"


def test_rules_that_differ_stand_in_the_titles() -> None:
    text = page(evaluation(), evaluation(protocol=Protocol(max_frames=1000))).text
    assert "BankHeist, fgsm (max frames 1000)" in text
    assert "sap-100 on agent BankHeist, fgsm (max frames 18000)" in text


def test_provenance_is_whole(plain: Reader) -> None:
    for words in ("00ff", "sap-rl eval --game BankHeist", "max frames", "sap-rl 0.1.0"):
        assert words in plain.text
    assert ONE_NETWORK in plain.text
    assert COVERAGE in plain.text
    pairs = dict(row for row in plain.tables[-1] if len(row) == 2)
    assert pairs["seed"] == "0"
    assert pairs["lams"] == "0.25, 1, 4"
    assert '"frameskip": 4' in pairs["preprocess"]


def test_provenance_says_who_played_and_from_where() -> None:
    whole = evaluation(defense="agent:runs/h/final")
    told = {"agent_ref": "/x/BankHeist.pt", "agent_loading": {"format": "sb3"},
            "defended_sha256": "dead", "commit": "abc-dirty", "code": "c0de"}  # fmt: skip
    found = page(rewritten(whole, **told))
    pairs = dict(row for row in found.tables[-1] if len(row) == 2)
    assert pairs["loaded from"] == "/x/BankHeist.pt"
    assert pairs["loaded with"] == '{"format": "sb3"}'
    assert pairs["sha256 of the defended agent's weights"] == "dead"
    assert (pairs["commit"], pairs["code"]) == ("abc-dirty", "c0de (old)")
    assert pairs["level of the intervals"] == "95%"
    assert "--agent /x/BankHeist.pt --format sb3" in found.text


def test_intervals_of_several_looks_are_not_called_bca() -> None:
    looked = evaluation(episodes=6, look_level=0.99)
    alone = page(looked)
    assert ONE_NETWORK not in alone.text
    assert SEVERAL_LOOKS in alone.text
    assert "No sap-rl eval gives these numbers" in alone.text
    assert "sap-rl eval --game" not in alone.text
    both = page(looked, evaluation(game="Assault", agent="Assault"))
    assert ONE_NETWORK in both.text
    assert f"Where a stopping rule played on: {SEVERAL_LOOKS}" in both.text


def test_figures_have_words(plain: Reader) -> None:
    figures = [attrs for tag, attrs in plain.tags if tag == "svg"]
    assert len(figures) == 6
    assert all(a["role"] == "img" and a["aria-label"] for a in figures)
    ids = [str(attrs["id"]) for _, attrs in plain.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_film_and_learning_curve_are_inside() -> None:
    film = film_within(scenes(4), FACTS, 1_000_000)
    curve = LearningCurve(((1000, 1.0), (2000, 2.0)), {})
    found = page(evaluation(), extras=PageExtras({"BankHeist": curve}, film, ("A note.",)))
    (video,) = [attrs for tag, attrs in found.tags if tag == "video"]
    assert str(video["src"]).startswith("data:video/mp4;base64,")
    assert str(video["poster"]).startswith("data:image/jpeg;base64,")
    assert video["aria-label"] == film.caption
    assert {"controls", "muted", "playsinline"} <= set(video)
    assert film.caption in found.text
    assert "A note." in found.text
    assert "How agent BankHeist learned." in found.text


def test_nothing_that_comes_from_data_runs() -> None:
    bad = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202e'
    whole = evaluation(agent=bad, sha256=bad)
    finding = Finding(bad, bad, bad, bad)
    made = replace(whole.made, versions={bad: bad})
    found = page(
        replace(whole, checks=(finding,), made=made),
        extras=PageExtras({bad: LearningCurve(((1, 1.0),), {bad: ((1, 1.0),)})}, None, (bad,)),
    )
    assert "script" not in {tag for tag, _ in found.tags}
    assert "img" not in {tag for tag, _ in found.tags}
    assert not [a for _, a in found.tags if any(name.startswith("on") for name in a)]
    assert "<script>alert(1)" in found.text, "it stands there as text"
    assert r"\x1b[2J\x202e" in found.text, "no terminal obeys it, no browser turns it round"


def test_nothing_is_fetched(plain: Reader) -> None:
    for tag, attrs in plain.tags:
        for name in ("src", "href", "poster", "xlink:href"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name)
    policy = [a["content"] for tag, a in plain.tags if a.get("http-equiv")]
    assert str(policy[0]).startswith("default-src 'none'")


def test_a_page_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_BYTES", 1000)
    with pytest.raises(UsageError, match=r"more than 1,000: take fewer results or --no-film"):
        page(evaluation((1.0,)))


@pytest.mark.parametrize("options", [{"defense": None}, {"controls": False}, {"victims": ("own",)}])
def test_other_evaluations_make_pages_too(options: dict[str, Any]) -> None:
    found = page(evaluation((1.0,), **options))
    assert not re.search(r"\bNone\b(?! of the checks)|\bnan\b", found.text.split("Provenance")[0])
