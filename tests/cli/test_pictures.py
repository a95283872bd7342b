"""film, plot and report as people type them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sap_rl import load_agent
from sap_rl.cli import main
from tests.reporting.made import evaluation

FILM = ["film", "--game", "BankHeist", "--lambda", "1", "--grad-samples", "1", "--quiet"]


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line."""
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made, of the agent that is shipped."""
    path = tmp_path_factory.mktemp("results") / "result.json"
    sha256 = load_agent("BankHeist").sha256
    path.write_text(evaluation((0.5, 2.0), sha256=sha256).to_json(), encoding="utf-8")
    return path


def test_a_film_is_written_and_says_what_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.gif"
    assert main([*FILM, "--seconds", "0.5", "--seed", "3", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"GIF89a")
    told = " ".join(capsys.readouterr().out.split())
    assert "BankHeist: sap-100 on agent BankHeist, fgsm with lambda 1, seed 3, episode 0" in told
    assert "after 4 steps" in told, "half a second at half speed"


def test_figures_are_written(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new[/b]" / "figures"
    assert main(["plot", str(result), "--out-dir", str(folder)]) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert sorted(capsys.readouterr().out.split()) == [str(folder / name) for name in names]
    assert names == [f"{n}.{k}" for n in ("change", "flips", "return") for k in ("pdf", "png")]


def test_a_report_holds_a_film_of_its_agent(result: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    words = ["report", str(result), "--out", str(out), "--seconds", "0.3", "--quiet"]
    assert main(words) == 0
    page = out.read_text(encoding="utf-8")
    assert "data:video/mp4;base64," in page
    assert "lambda 0.5, seed 0, episode 0" in page
    assert "How agent BankHeist learned." in page


def test_a_report_goes_on_without_an_agent_that_is_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, out = tmp_path / "result.json", tmp_path / "r.html"
    result.write_text(evaluation((1.0,), agent="runs/gone").to_json(), encoding="utf-8")
    assert main(["report", str(result), "--out", str(out), "--quiet"]) == 0
    page = out.read_text(encoding="utf-8")
    assert "<video" not in page
    assert "No film and no learning curve of agent" in page
    assert "runs/gone" in capsys.readouterr().err


def test_no_film_needs_no_games(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sap_rl.film.games.FilmedGames.play", None)
    out = tmp_path / "r.html"
    assert main(["report", str(result), "--out", str(out), "--no-film", "--quiet"]) == 0
    assert "<video" not in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["plot", "report"])
def test_files_that_are_no_results_are_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}", encoding="utf-8")
    out = ["--out", str(tmp_path / "out")]
    assert "no evaluation" in refused(capsys, command, str(other), *out)
    assert "cannot be read" in refused(capsys, command, str(tmp_path / "missing.json"), *out)


def test_places_that_cannot_be_written_are_refused_before_anything_is_played(
    result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing"
    assert "is missing or read-only" in refused(
        capsys, "report", str(result), "--out", str(missing / "r.html")
    )
    assert "is missing or read-only" in refused(capsys, *FILM, "--out", str(missing / "x.mp4"))
    assert "it is a folder" in refused(capsys, "report", str(result), "--out", str(tmp_path))
    file = tmp_path / "file"
    file.touch()
    assert "cannot write to" in refused(capsys, "plot", str(result), "--out-dir", str(file / "x"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--out", "x.avi"), "unknown kind of film '.avi'; choose from .gif, .mp4"),
        (("--out", "x.mp4", "--seconds", "0"), "seconds must lie above 0 and up to 600, got 0"),
        (("--out", "x.mp4", "--seconds", "long"), "seconds: cannot use 'long'"),
        (("--out", "x.mp4", "--seconds", "nan"), "seconds must lie above 0 and up to 600, got nan"),
        (("--out", "x.mp4", "--episode", "-1"), "episode must be at least 0, got -1"),
        (("--out", "x.mp4", "--lambda", "1", "2"), "a film shows one lambda above 0, got 1, 2"),
        (("--out", "x.mp4", "--victim", "both"), "a film shows one victim, got own, original"),
    ],
)
def test_what_makes_no_film_is_refused(
    words: tuple[str, ...],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in refused(capsys, *FILM, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("av", "film --game BankHeist --lambda 1 --out x.mp4"),
        ("matplotlib.figure", "plot x.json --out-dir x"),
        ("jinja2", "report x.json --out x.html"),
        ("av", "report x.json --out x.html"),
    ],
)
def test_a_missing_extra_is_one_clear_line(
    module: str,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before results are read or games are played."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    assert "pip install 'sap-rl[report]'" in refused(capsys, *words.split())
