"""Runs to go on with and classifiers, broken."""

from __future__ import annotations

import hashlib
import json
import tomllib
import zipfile
from functools import cache

from hypothesis import strategies as st

from tests.fuzz.broken import KEPT, PLAIN, WORDS, Trial, changed, damaged, toml


@cache
def _runs() -> dict[str, dict[str, bytes]]:
    """Files of a training and a hardening that are half done, without the frames that they saw."""
    found: dict[str, dict[str, bytes]] = {}
    for kind in ("train", "harden"):
        with zipfile.ZipFile(KEPT / f"{kind}.zip") as archive:
            names = [n for n in archive.namelist() if n[-1] != "/" and "frames" not in n]
            found[kind] = {f"run/{name}": archive.read(name) for name in names}
    return found


@st.composite
def trainings(draw: st.DrawFn) -> Trial:
    """A run to go on with, in which a file is damaged or its state says something else."""
    kind = draw(st.sampled_from(["train", "harden"]))
    files = dict(_runs()[kind])
    name = draw(st.sampled_from(sorted(files)))
    state_name = next(name for name in files if name.endswith("state.json"))
    state = json.loads(files[state_name])
    state["files"] = {n: size for n, size in state["files"].items() if "frames" not in n}
    if name == state_name:
        state = draw(changed(state))
    else:
        files[name] = draw(damaged(files[name]))
        state["files"][name.rpartition("/")[2]] = len(files[name])
    files[state_name] = json.dumps(state).encode()
    return Trial([kind, "--game", "BankHeist", "--out-dir", "run", "--resume"], files)


FIRST_WEIGHTS = "run/checkpoints/000002/weights.safetensors"
CLASSIFIER = """format = 1
[network]
kind = "resnet20"
classes = 10
[weights]
sha256 = "%s"
[accuracy]
percent = 90.0
side = 28
"""


def classifiers() -> st.SearchStrategy[Trial]:
    """A classifier's folder whose card is damaged, or whose weights are another network's."""
    weights = _runs()["train"][FIRST_WEIGHTS]
    card = (CLASSIFIER % hashlib.sha256(weights).hexdigest()).encode()
    data = damaged(card) | st.dictionaries(WORDS, PLAIN, max_size=3).map(toml) | st.just(card)
    data |= changed(tomllib.loads(card.decode())).map(toml)
    argv = ["vision", "eval", "--data", "d", "--model", "./c"]
    return data.map(
        lambda data: Trial(argv, {"c/classifier.toml": data, "c/weights.safetensors": weights})
    )
