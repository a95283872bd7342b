"""What is thrown at the command line: files of every kind, broken in every way, and its own words.

A kind is a strategy of `Trial`; a new one is a function and its line in `KINDS`.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from hypothesis import strategies as st

from sap_rl.store.store import Store
from tests.fuzz import runs
from tests.fuzz.broken import KEPT, PLAIN, ROOT, WORDS, Trial, changed, damaged, exchanged, toml


def saved(loaded: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(loaded, file, **options)
    return file.getvalue()


TENSORS = {"0.layers.0.weight": torch.ones(3), "1.bias": torch.arange(2.0)}
CHECKPOINTS = [
    saved(TENSORS),
    saved({"model": TENSORS, "steps": 3}, _use_new_zipfile_serialization=False),
    pickle.dumps({"a": [1.0]}),
    pickle.dumps({"a": {1: (2, "b")}}, protocol=0),
]
NAMES = [b"torch._utils _rebuild_tensor_v2", b"collections OrderedDict", b"os system",
         b"torch FloatStorage", b"numpy dtype", b"builtins set", b"__main__ Net"]  # fmt: skip


@st.composite
def pickled(draw: st.DrawFn) -> bytes:
    """Steps of a pickle in any order, alone or as the pickle of torch's archive."""
    codes = [code.code.encode("latin-1") for code in pickletools.opcodes]
    steps = st.sampled_from(codes) | st.binary(max_size=3)
    steps |= st.sampled_from([b"c" + name.replace(b" ", b"\n") + b"\n" for name in NAMES])
    steps |= st.sampled_from([b")", b"}", b"]", b"(", b"q\0", b"h\0", b"2", b"R", b"s", b"K\1"])
    body = draw(st.lists(steps, max_size=30).map(b"".join))
    data = b"\x80\x02" + body * draw(st.sampled_from([1, 1, 1, 50, 3000])) + b"."
    if draw(st.booleans()):
        return data
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", b"\0" * 64)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def checkpoints() -> st.SearchStrategy[Trial]:
    content = PLAIN.map(lambda value: saved({"state_dict": value, **TENSORS, "x": value}))
    data = (
        st.sampled_from(CHECKPOINTS).flatmap(damaged)
        | pickled()
        | content
        | st.binary(max_size=200)
    )
    return data.map(lambda data: Trial(["agents", "show", "./a.pt"], {"a.pt": data}))


def cards() -> st.SearchStrategy[Trial]:
    card = (ROOT / "agents" / "BankHeist" / "agent.toml").read_bytes()
    weights = b"no weights at all"
    data = damaged(card) | st.dictionaries(WORDS, PLAIN, max_size=3).map(toml)
    return data.map(
        lambda data: Trial(
            ["agents", "show", "./a"], {"a/agent.toml": data, "a/weights.safetensors": weights}
        )
    )


def configs() -> st.SearchStrategy[Trial]:
    good = {"game": ["BankHeist"], "lambda": [1, 4], "attack": ["pgd", "fgsm"], "steps": 2,
            "defense": ["sap-100", "none"], "episodes": 2, "victim": "both",
            "experiments": [{"seed": 1}, {"seed": 2, "preprocess": ["frames=4"]}]}  # fmt: skip
    text = yaml.safe_dump(good).encode()
    data = (
        damaged(text)
        | changed(good).map(lambda value: yaml.safe_dump(value).encode(errors="replace"))
        | PLAIN.map(lambda value: repr(value).encode(errors="replace"))
    )
    return data.map(
        lambda data: Trial(["sweep", "a.yaml", "--out", "s.sqlite", "--dry-run"], {"a.yaml": data})
    )


def results() -> st.SearchStrategy[Trial]:
    text = (KEPT / "main_job.json").read_bytes()
    data = (
        damaged(text)
        | changed(json.loads(text)).map(lambda value: json.dumps(value).encode())
        | PLAIN.map(lambda value: json.dumps(value).encode())
    )
    commands = st.sampled_from(
        [["compare", "a.json", "b.json"], ["report", "a.json", "--out", "r.html"],
         ["game", "a.json"], ["compare", "a.json"], ["plot", "a.json", "--out-dir", "p"]]
    )  # fmt: skip
    return st.builds(
        lambda argv, data: Trial(argv, {"a.json": data, "b.json": text}), commands, data
    )


@cache
def _store() -> bytes:
    """A store as this version writes it."""
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder) / "old.sqlite", Path(folder) / "new.sqlite"
        old.write_bytes((KEPT / "sweep.sqlite").read_bytes())
        with Store(new) as store, Store(old, make=False) as other:
            store.merge(other)
        return new.read_bytes()


COLUMNS = [("experiment", "manifest"), ("experiment", "key"), ("experiment", "changed"),
           ("cell", "manifest"), ("cell", "facts"), ("cell", "tally"), ("cell", "sigma"),
           ("cell", "complete"), ("episode", "return"), ("episode", "length"),
           ("episode", "truncated"), ("episode", "number")]  # fmt: skip


@st.composite
def _edited(draw: st.DrawFn) -> bytes:
    """A store in which somebody changed a value."""
    table, column = draw(st.sampled_from(COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        path.write_bytes(_store())
        with closing(sqlite3.connect(path)) as file:
            rows = file.execute(f"SELECT {column} FROM {table}").fetchall()
            (old,) = draw(st.sampled_from(rows))
            if isinstance(old, str) and old[:1] == "{":
                new: Any = json.dumps(draw(changed(json.loads(old))))
            else:
                new = draw(st.none() | st.integers(-3, 2**62) | st.floats() | st.binary(max_size=9))
            try:
                file.execute(f'UPDATE {table} SET "{column}" = ? WHERE "{column}" IS ?', (new, old))
                file.commit()
            except sqlite3.Error:  # the table refuses it
                file.rollback()
        return path.read_bytes()


def stores() -> st.SearchStrategy[Trial]:
    data = st.deferred(lambda: damaged(_store())) | _edited()
    commands = st.sampled_from(
        [["store", "list", "s.sqlite"], ["store", "export", "s.sqlite", "--out", "o.csv"],
         ["compare", "s.sqlite", "s.sqlite"], ["game", "s.sqlite"],
         ["store", "merge", "s.sqlite", "--into", "t.sqlite"],
         ["report", "s.sqlite", "--out", "r.html"]]
    )  # fmt: skip
    return st.builds(lambda argv, data: Trial(argv, {"s.sqlite": data}), commands, data)


def films() -> st.SearchStrategy[Trial]:
    good = {"game": "BankHeist", "lambda": 1, "attack": "pgd", "steps": 2, "seed": 3,
            "defense": "sap-10", "frames": "newest", "preprocess": ["frames=4"]}  # fmt: skip
    text = yaml.safe_dump(good).encode()
    data = damaged(text) | changed(good).map(lambda value: yaml.safe_dump(value).encode())
    places = st.sampled_from(["f.gif", "f.mp4", "f", ".gif", "no/f.gif", "a.yaml"])
    return st.builds(
        lambda data, place, seconds: Trial(
            ["film", "--config", "a.yaml", "--out", place, "--seconds", seconds], {"a.yaml": data}
        ),
        data, places, st.sampled_from(["0.1", "0", "-1", "nan", "1e9", "x"]),
    )  # fmt: skip


def pages_and_plots() -> st.SearchStrategy[Trial]:
    """Results that can be read and hold what nobody measured or would call a thing."""
    said = json.loads((KEPT / "main_job.json").read_text())
    data = exchanged(said).map(lambda value: json.dumps(value).encode())
    commands = st.sampled_from(
        [["report", "a.json", "--out", "r.html", "--no-film"], ["plot", "a.json", "--out-dir", "p"],
         ["report", "a.json", "--out", "r.html", "--seconds", "0.1"]]
    )  # fmt: skip
    return st.builds(lambda argv, data: Trial(argv, {"a.json": data}), commands, data)


FLAGS = ["--game", "--lambda", "--agent", "--attack", "--defense", "--victim", "--episodes",
         "--seed", "--device", "--preprocess", "--format", "--entry", "--out", "--json", "--steps",
         "--schedule", "--precision", "--num-envs", "--threads", "--gaem", "--help", "--dry-run",
         "--minutes", "--total-steps", "--engine", "--resume", "--folder"]  # fmt: skip
COMMANDS = ["eval", "audit", "certify", "film", "plot", "report", "sweep", "store", "compare",
            "game", "train", "harden", "attacks", "corruptions", "defenses", "agents", "list",
            "show", "check", "import", "export", "merge", "drop"]  # fmt: skip


def command_lines() -> st.SearchStrategy[Trial]:
    values = WORDS | st.sampled_from(["4", "pgd", "none", "./a.pt", "a.json", "cuda", "0,1", "all"])
    words = st.lists(st.sampled_from(FLAGS) | values, max_size=7)
    lines = st.builds(lambda command, rest: [command, *rest], st.sampled_from(COMMANDS), words)
    pairs = st.dictionaries(st.sampled_from(FLAGS), values, max_size=4)
    lines |= st.builds(
        lambda command, given: [command, *(word for pair in given.items() for word in pair)],
        st.sampled_from(COMMANDS), pairs,
    )  # fmt: skip
    files = {"a.pt": CHECKPOINTS[0], "a.json": (KEPT / "main_job.json").read_bytes()}
    return lines.map(lambda argv: Trial([word.replace("\0", "\\0") for word in argv], files))


KINDS: dict[str, Callable[[], st.SearchStrategy[Trial]]] = {
    "checkpoints": checkpoints,
    "cards (TOML)": cards,
    "configurations (YAML)": configs,
    "results (JSON)": results,
    "stores": stores,
    "films (YAML)": films,
    "pages and plots": pages_and_plots,
    "trainings": runs.trainings,
    "classifiers": runs.classifiers,
    "command lines": command_lines,
}
