"""Whatever people hand over, by its kind: read right, or refused in one line that says what to do.

A new example is a line of a table.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import io
import json
import os
import pickle
import re
import resource
import struct
import time
import uuid
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from gymnasium import spaces
from torch import nn

from sap_rl import UsageError, load_agent
from sap_rl.agents import shipped_agents
from sap_rl.networks.reading.files import read_weights
from tests.networks.foreign import FOREIGN, sb3_zip

STATE = FOREIGN["pfrl"].state
LEVELDB = bytes.fromhex("57fb808b247547db")
CLEANRL = FOREIGN["cleanrl"].state
SB3_STATE = FOREIGN["sb3"].state
TIANSHOU = next(foreign for name, foreign in FOREIGN.items() if name.startswith("tianshou")).state


class Score:
    """An object that somebody saved beside the weights."""

    def __init__(self) -> None:
        self.best = 21.0


class Scores(list[float]):
    """One that cannot be left out: a list of a class of its own."""


def saved(loaded: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(loaded, file, **options)
    return file.getvalue()


def optimizer() -> dict[str, Any]:
    layer = nn.Linear(2, 2)
    found = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    found.step()
    return found.state_dict()


BESIDE: dict[str, Any] = {
    "steps": {"policy_net": STATE, "steps": 1},
    "tianshou's own": {"model": STATE},
    "target and optimiser": {"q_network": STATE, "target_q": STATE, "optim": optimizer()},
    "online": {"online": STATE, "online_target": STATE},
    "deep": {"agents": {"player": {"agent_state_dict": STATE}}},
    "model_weights": {"model_weights": STATE, "rms": {"mean": torch.zeros(2)}},
    "numpy": {"model": STATE, "score": np.float64(3.0), "curve": np.arange(3.0)},
    "namespace": {"model": STATE, "args": argparse.Namespace(lr=1e-4)},
    "collections": {"model": STATE, "scores": collections.deque([1.0], maxlen=3),
                    "counts": collections.Counter("aab"), "by": collections.defaultdict(list)},
    "dates and paths": {"model": STATE, "when": datetime.datetime(2026, 1, 1), "at": Path("x")},
    "an object": {"model": STATE, "score": Score()},
    "a device and sizes": {"model": STATE, "on": torch.device("cpu"), "size": torch.Size([1])},
    "parallel": {f"module.{name}": value for name, value in STATE.items()},
    "compiled and parallel": {f"_orig_mod.module.{name}": v for name, v in STATE.items()},
    "held by an agent": {f"policy_net.{n}": v for n, v in FOREIGN["paad"].state.items()},
    "Parameters": {"model": {name: nn.Parameter(value) for name, value in STATE.items()}},
    "a tuple": (STATE, optimizer()),
    "a list of one": [STATE],
    "Lightning": {"state_dict": {f"q_net.{n}": v for n, v in STATE.items()}
                  | {f"target_q_net.{n}": v + 1 for n, v in STATE.items()}, "callbacks": {}},
    "an agent's module": {f"agent.module.network.{name}": v for name, v in STATE.items()},
    "generators": {"model": STATE, "torch": torch.get_rng_state(),
                   "numpy": np.random.MT19937(0).state,
                   "generator": np.random.default_rng(0).bit_generator.state,
                   "space": spaces.Discrete(6, seed=1)},
    "a tensor beside": {"model": STATE, "returns": torch.zeros(9)},
    "Python's own": {"model": STATE, "of": [range(3), slice(1), 1j, re.compile("a")]},
    "identifiers": {"model": STATE, "run": uuid.UUID(int=2**127), "seed": 2**200},
    "a counter among the weights": STATE | {"step": torch.tensor(3), "epsilon": torch.tensor(0.1)},
    "held beside a counter": {f"q_net.{n}": v for n, v in FOREIGN["paad"].state.items()}
                                 | {"num_steps": torch.tensor(3)},
    "by number": {1000: STATE, 1: {"lr": 0.1}},
    "long lists": {"model": STATE, "returns": np.random.default_rng(0).random(20_000).tolist()},
}  # fmt: skip


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", BESIDE)
def test_weights_beside_other_things(kind: str, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pt"
    path.write_bytes(saved(BESIDE[kind], _use_new_zipfile_serialization=not legacy))
    agent = load_agent(path)
    alone = tmp_path / "alone.pt"
    alone.write_bytes(saved(FOREIGN["paad"].state if kind.startswith("held") else STATE))
    frames = np.random.default_rng(1).integers(256, size=(2, 4, 84, 84), dtype=np.uint8)
    assert torch.equal(agent.q_values(frames), load_agent(alone).q_values(frames))


def test_the_entry_is_asked_for_and_taken(tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    other = {name: value + 1 for name, value in STATE.items()}
    path.write_bytes(saved({"first": STATE, "second": other, "old_target": other}))
    with pytest.raises(UsageError, match=r"first, second\? Say entry='first' \(--entry first\)"):
        load_agent(path)
    assert torch.equal(load_agent(path, entry="second").module.q.bias, other["1.bias"])
    assert torch.equal(load_agent(path, entry="old_target").module.q.bias, other["1.bias"])
    with pytest.raises(UsageError, match="unknown entry 'third'; choose from first, second"):
        load_agent(path, entry="third")


@pytest.mark.parametrize(
    ("one", "other"),
    [("state_dict", "best_state_dict"), ("model_state_dict", "best"), ("state_dict", "q2")],
)
def test_a_second_network_is_asked_about(one: str, other: str, tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    later = {name: value + 1 for name, value in STATE.items()}
    path.write_bytes(
        saved({one: STATE, other: later, "target": later, "head": {"w": torch.ones(1)}})
    )
    with pytest.raises(UsageError, match="which of its entries is the network") as caught:
        load_agent(path)
    assert one in str(caught.value)
    assert other in str(caught.value)
    assert "target" not in str(caught.value)
    assert torch.equal(load_agent(path, entry=other).module.q.bias, later["1.bias"])


def test_a_counter_beside_the_names_of_stable_baselines3(tmp_path: Path) -> None:
    path = tmp_path / "mean.pth"
    path.write_bytes(saved(SB3_STATE | {"n_averaged": torch.tensor(9)}))
    assert load_agent(path).num_actions == 6


@pytest.mark.parametrize("said", [{}, {"format": "cleanrl"}])
def test_a_part_under_names_of_names_is_asked_for(said: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    state = FOREIGN["cleanrl"].state
    two = {f"agents.{i}.{name}": value for i in range(2) for name, value in state.items()}
    path.write_bytes(saved(two))
    with pytest.raises(UsageError, match=r"agents.0, agents.1\? Say entry='agents.0'"):
        load_agent(path, **said)
    assert load_agent(path, entry="agents.1", format="cleanrl").num_actions == 6


def told_apart(one: str, other: str) -> dict[str, tuple[bytes, str]]:
    """Two networks in one file, in entries or under names that begin so, and where they stand."""
    both = {one: STATE, other: {name: value + 1 for name, value in STATE.items()}}
    flat = {f"{which}.{name}": v for which, state in both.items() for name, v in state.items()}
    return {
        "entries": (saved(both), ""),
        "names": (saved(flat), ""),
        "names in an entry": (saved({"state": flat}), "state."),
        "safetensors": (safetensors.torch.save(flat), ""),
    }


@pytest.mark.parametrize("kind", told_apart("a", "b"))
@pytest.mark.parametrize("names", [("online_model", "ema_model"), ("state_dict", "state_dict_ema")])
def test_a_running_mean_is_not_passed_over(
    names: tuple[str, str], kind: str, tmp_path: Path
) -> None:
    data, place = told_apart(*names)[kind]
    path = tmp_path / "two.pt"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="the network that plays: ") as asked:
        load_agent(path)
    for more, name in enumerate(names):
        assert name in str(asked.value)
        q = load_agent(path, entry=f"{place}{name}").module.q
        assert torch.equal(q.bias, STATE["1.bias"] + more)
    with pytest.raises(UsageError, match="unknown entry 'ema'; choose from "):
        load_agent(path, entry="ema")


def undivided(high: str, beside: str = "") -> bytes:
    """A Stable-Baselines3 zip whose policy does not divide, and sees frames up to this number."""
    space = {"dtype": "?", "high": f"[[[{high} {high} ... {high}]\n"}
    settings = {"policy_kwargs": {"normalize_images": False}, "observation_space": space}
    return sb3_zip(saved(SB3_STATE), data=json.dumps(settings | {"rest": beside}).encode())


def undivided_policy(space: object) -> bytes:
    told = {"normalize_images": False, "fn": nn.ReLU, "observation_space": space}
    return saved({"state_dict": SB3_STATE, "data": told})


SAYS: dict[str, tuple[bytes, dict[str, Any], dict[str, Any]]] = {
    "sb3's settings": (undivided("255"), {}, {"scale": "pixels"}),
    "sb3's, of 0..1": (undivided("1."), {}, {"scale": "unit"}),
    "sb3's, long": (undivided("255.", "x" * 400_000), {}, {"scale": "pixels"}),
    "sb3's, of another space": (
        undivided("9.9"), {"preprocess": {"scale": "unit"}}, {"scale": "unit"},
    ),
    "sb3's policy": (
        undivided_policy(spaces.Box(0, 255, (4, 84, 84), np.uint8)), {}, {"scale": "pixels"},
    ),
    "sb3's policy, of 0..1": (
        undivided_policy(spaces.Box(0, 1, (4, 84, 84), np.float32)), {}, {"scale": "unit"},
    ),
    "sb3's policy, of floats to 255": (
        undivided_policy(spaces.Box(0, 255, (4, 8, 8), np.float64)), {}, {"scale": "pixels"},
    ),
    "in a tuple": (saved((TIANSHOU, [{"scale_obs": True}])), {}, {"scale": "unit"}),
    "after much else": (
        saved({"model": TIANSHOU, "log": dict.fromkeys(range(20_000)), "args": {"scale_obs": 0}}),
        {}, {"scale": "pixels"},
    ),
    "in colour": (
        saved({"model": STATE | {"0.layers.0.weight": torch.rand(32, 12, 8, 8)},
               "env": {"grayscale_obs": False}}),
        {}, {"grey": "none", "frames": 4},
    ),
    "beside safetensors": (
        safetensors.torch.save(TIANSHOU, {"scale_obs": "True"}), {}, {"scale": "unit"},
    ),
    "in words": (saved({"model": TIANSHOU, "scale_obs": "False"}), {}, {"scale": "pixels"}),
    "tianshou's arguments": (
        saved({"model": TIANSHOU, "args": argparse.Namespace(scale_obs=1, frame_skip=3)}),
        {}, {"scale": "unit", "frameskip": 3},
    ),
    "our own words": (
        saved({"state_dict": STATE, "preprocess": {"order": "newest_first"}}),
        {}, {"order": "newest_first"},
    ),
    "the user wins": (
        saved({"state_dict": STATE, "config": {"sticky_actions": 0.25, "frame_skip": 2}}),
        {"preprocess": {"frameskip": 5}}, {"sticky_actions": 0.25, "frameskip": 5},
    ),
    "nothing": (
        saved({"state_dict": STATE, "config": {"frame_skip": None}}), {}, {"frameskip": 4},
    ),
    "beside entries that are not ours": (
        saved({"state_dict": STATE, "preprocess": {"resize": 84, "scale": "pixels"}}),
        {}, {"scale": "pixels"},
    ),
    "our own words by themselves": (
        saved({"state_dict": STATE, "scale": "pixels"}), {}, {"scale": "pixels"},
    ),
    "our own words in safetensors": (
        safetensors.torch.save(STATE, {"scale": "pixels", "order": "newest_first"}),
        {}, {"scale": "pixels", "order": "newest_first"},
    ),
    "JSON in safetensors": (
        safetensors.torch.save(STATE, {"preprocess": '{"scale": "pixels", "frameskip": 2}'}),
        {}, {"scale": "pixels", "frameskip": 2},
    ),
    "a mean of what is pooled": (
        saved({"state_dict": STATE, "preprocess": {"luma": "mean", "grey": "resized"}}),
        {}, {"luma": "mean", "grey": "resized"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAYS)
def test_what_a_file_says_of_its_frames_is_read(kind: str, tmp_path: Path) -> None:
    data, options, expected = SAYS[kind]
    path = tmp_path / f"theirs{'.zip' if data[:2] == b'PK' and b'policy.pth' in data else '.pt'}"
    path.write_bytes(data)
    sees = load_agent(path, **options).preprocess
    assert {name: getattr(sees, name) for name in expected} == expected


OPEN_SCALE: dict[str, bytes] = {
    "a policy without its space": saved(
        {"state_dict": SB3_STATE, "data": {"normalize_images": False}}
    ),
    "another space": undivided("9.9"),
    "settings that are no JSON": sb3_zip(saved(SB3_STATE), data=b"no JSON"),
    "a policy that may divide": sb3_zip(
        saved(SB3_STATE), data=b'{"policy_kwargs": {"normalize_images": null}}'
    ),
}


@pytest.mark.parametrize("kind", OPEN_SCALE)
def test_a_scale_that_a_file_leaves_open_is_asked_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pt"
    path.write_bytes(OPEN_SCALE[kind])
    with pytest.raises(UsageError, match=r"0\.\.1 or 0\.\.255: say scale=unit or scale=pixels"):
        load_agent(path)
    assert load_agent(path, preprocess={"scale": "unit"}).preprocess.scale == "unit"


def test_statistics_of_frames_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "theirs.pt"
    path.write_bytes(saved({"model": STATE, "obs_rms": {"mean": np.zeros(4), "var": np.ones(4)}}))
    with pytest.raises(UsageError, match="statistics of its observations lie beside the weights"):
        load_agent(path)
    assert load_agent(path, preprocess={"scale": "unit"}).preprocess.scale == "unit"


NOT_UNDERSTOOD: dict[str, tuple[bytes, str, Any]] = {
    f"{key} {value!r}": (saved({"model": STATE, "preprocess": {key: value}}), choices, right)
    for key, value, choices, right in [
        ("scale", "pixel", "unknown scale 'pixel'; choose from pixels, unit", "pixels"),
        ("scale", "PIXELS", "unknown scale 'PIXELS'; choose from pixels, unit", "pixels"),
        ("scale", 255, "unknown scale '255'; choose from unit, pixels", "pixels"),
        ("order", "latest", "choose from oldest_first, newest_first", "newest_first"),
        ("frameskip", "two", "cannot use 'two', it is a whole number", 2),
        ("frameskip", 0, "frameskip must be at least 1, got 0", 1),
        ("max-pool", 3, "cannot use 3, it is true or false", False),
    ]
} | {
    "an object": (saved({"model": STATE, "preprocess": {"scale": Score()}}), "'an object'", "unit"),
    "scale_obs": (saved({"model": STATE, "args": {"scale_obs": "both"}}), "args.scale_obs", "unit"),
    "frame_skip": (saved({"model": STATE, "args": {"frame_skip": (2, 5)}}), r"\(2, 5\)", 2),
    "scale alone": (safetensors.torch.save(STATE, {"scale": "pixel"}), "'pixel'", "pixels"),
    **{
        f"a slip: {place}": (saved({"model": STATE} | beside), f"what its '{place}' says", right)
        for place, beside, right in [
            ("preprocess.scael", {"preprocess": {"scael": "pixels"}}, "pixels"),
            ("preproces.scale", {"preproces": {"scale": "pixels"}}, "pixels"),
            ("scael", {"scael": "pixels"}, "pixels"),
            ("args.scale_ob", {"args": {"scale_ob": True}}, "unit"),
            ("preprocess.heigth", {"preprocess": {"heigth": 84}}, 84),
        ]
    },
    "a text": (safetensors.torch.save(STATE, {"preprocess": "as usual"}), "'as usual'", "unit"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_UNDERSTOOD)
def test_what_a_file_says_and_nobody_understands_is_asked_for(kind: str, tmp_path: Path) -> None:
    data, choices, right = NOT_UNDERSTOOD[kind]
    path = tmp_path / "theirs.pt"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=choices) as refused:
        load_agent(path)
    found = re.search(r"--preprocess (\w+)=VALUE or preprocess={'\1': VALUE}", str(refused.value))
    assert found is not None
    assert str(refused.value).startswith(str(path))
    key = found[1]
    assert getattr(load_agent(path, preprocess={key: right}).preprocess, key) == right


@pytest.mark.parametrize("planes", [3, 12])
def test_planes_that_may_be_colours_are_asked_for(planes: int, tmp_path: Path) -> None:
    weight = torch.rand(32, planes, 8, 8)
    path = tmp_path / "theirs.pt"
    path.write_bytes(saved(STATE | {"0.layers.0.weight": weight}))
    with pytest.raises(UsageError, match=f"{planes} grey frames or {planes // 3} in colour: say"):
        load_agent(path)
    assert load_agent(path, preprocess={"grey": "none"}).preprocess.frames == planes // 3
    assert load_agent(path, preprocess={"frames": planes}).preprocess.planes == 1


def script() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, its files are still about
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, weight=np.zeros(3))
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def repeated(operation: bytes, count: int) -> bytes:
    """A pickle whose one key is what an operation makes of an empty tuple."""
    return b"\x80\x02)q\0" + operation * count + b"q\0}h\0Ns."


def spoiled() -> bytes:
    """A file of torch in which a byte of a weight is another, as on a bad disk."""
    data = bytearray(saved({"weight": torch.full((4096,), 7.0)}))
    data[data.index(struct.pack("<f", 7.0)) + 8] ^= 1
    return bytes(data)


def hidden() -> bytes:
    """A file of torch whose OrderedDict has an attribute `items` that is None."""
    file = io.BytesIO(saved({}))
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pickled = b"\x80\x02ccollections\nOrderedDict\n)R}X\5\0\0\0itemsNsb."
    return zipped({n: pickled if n.endswith("data.pkl") else data for n, data in members.items()})


def dense(shape: tuple[int, int]) -> bytes:
    return saved(STATE | {"0.output.weight": torch.zeros(shape)})


REFUSED: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "nested tuples": (repeated(b"\x85", 200_000), "levels"),
    "doubled tuples": (repeated(b"2\x86", 60), "values or 64 levels"),
    "doubled by the memo": (repeated(b"h\0h\0\x86q\0", 60), "values or 64 levels"),
    "numbers that collide": (saved({"m": STATE, "x": {i * (2**61 - 1): 1 for i in range(9000)}}),
                             "beyond 64 bits"),
    "lists in lists": (b"\x80\x02" + b"]" * 99_999 + b"a" * 99_998 + b".", "64 levels"),
    "a list doubled by the memo": (
        b"\x80\x02]q\0" + b"".join(b"]q%c" % i + b"h%c" % (i - 1) * 9 + b"e" for i in range(1, 60))
        + b".", "not a readable torch"),
    "a number of a megabyte": (b"\x80\x02\x8b\xa0\xbb\x0d\0" + b"\x7f" * 900_000 + b".",
                               "not a readable torch"),
    "a text that is not there": (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x3fa.", "not a readable torch"),
    "a method of a method": (b"\x80\x02c__builtin__\ngetattr\ncos\nsystem\nU\1a\x86R.",
                             "would call os.system"),
    "a buffer of any size": (b"\x80\x02c__builtin__\nbytearray\nJ\0\0\0\x40\x85R.",
                             "would call builtins.bytearray"),
    "a spoiled sector": (spoiled, "data/0' in it is damaged (CRC-32): fetch it again"),
    "an optimiser alone": (saved(optimizer()), "an optimiser's state: save the network's"),
    "a method hidden by its object": (hidden, "holds no network's state_dict"),
    "a dotted name": (b"\x80\x04\x8c\x05torch\x8c\x12_utils.os.system.x\x93.", "would call torch."),
    "memo out of range": (b"\x80\x02}r\xff\xff\xff\x7f.", "not a readable torch"),
    "nothing but steps": (b"\x80\x02" + b"K\1" * 300_000 + b".", "steps"),
    "a function": (saved({"m": STATE, "x": os.getcwd}), "would call posix.getcwd"),
    "an alien list": (saved({"m": STATE, "x": Scores([1.0])}), "test_handed_over.Scores"),
    "a whole module": (saved({"model": nn.Linear(2, 2), "optimizer": optimizer()}),
                       "would call torch.nn.modules.linear.Linear"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9", "git lfs pull"),
    "HTML": (b"\n<!DOCTYPE html><html><body>404", "an HTML page"),
    "JSON": (b'{"weights": [1, 2]}', "give the file of the weights"),
    "a missing page": (b"Entry not found", "a text that begins 'Entry not found'"),
    "git-annex": (b"/annex/objects/SHA256E-s1--0.pt\n", "give the network's weights"),
    "settings": (b"[agent]\nlr = 1\n", "a text that begins '[agent] lr = 1'"),
    "UTF-16": ("<!DOCTYPE html>".encode("utf-16"), "a text that begins"),
    "HTML, a comment first": (b"<!-- x --><html>", "an HTML page"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "give the weights"),
    "a zip of files": (lambda: zipped({"run/model.pt": b"x"}), "unpack it and give one"),
    "an exported program": (lambda: zipped({"m/archive_format": b"pt2"}), "save the state_dict of"),
    "noise": (b"\xff" * 99, "fetch it again, or save the network's state_dict"),
    "arrays": (lambda: saved({n: v.numpy() for n, v in STATE.items()}), "alone, as tensors"),
    "another pickle": (lambda: pickle.dumps(STATE), "state_dict with torch.save"),
    "a number": (saved(3), "save one with torch.save"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "Keras"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0", "an ONNX file"),
    "TorchScript": (script, "torch.jit.load"),
    "NumPy": (arrays, "NumPy"),
    "a SavedModel": (b"\x08\x01\x12\xd2\x04\n\x8a\x04\n\x17", "a SavedModel of TensorFlow"),
    "a frozen graph": (b"\n\x15\n\x0bPlaceholder\x12\x0bPlaceholder", "a graph of TensorFlow"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + b"\0" * 40, "save the state_dict of the network"),
    "TensorFlow's index": (b"\0\1" * 40 + LEVELDB, "copy its arrays into a module of torch"),
    "GGUF": (b"GGUF\3\0\0\0", "copy its arrays into a module of torch"),
    "msgpack": (b"\x81\xa6params\x82\xa6Conv_0\x82\xa4bias\xc7", "(Flax, JAX), which is not read"),
    "CoreML": (b"\x08\x04\x12\x1c\n\x0a\n\x05input", "a CoreML model: save the state_dict"),
    "ExecuTorch": (b"\x1c\0\0\0ET12", "save the state_dict of its module"),
    "a store": (b"SQLite format 3\0", "give the agent's weights"),
    "TensorBoard": (b"\x18" + b"\0" * 11 + b"\t12345678\x1a\rbrain.Event:2", "a log of Tensor"),
    "integers": (
        lambda: saved({n: v.to(torch.int8) for n, v in STATE.items()}), "that was not quantised",
    ),
    "sparse": (
        lambda: saved(STATE | {"0.output.weight": STATE["0.output.weight"].to_sparse()}),
        "save it dense",
    ),
    "weight_norm": (
        lambda: saved({"l.weight_v": torch.zeros(2, 2), "l.weight_g": torch.zeros(2)}),
        "take it off before saving",
    ),
    "an SB3 policy of its own": (
        lambda: saved({"q_net.q_net.0.weight": torch.zeros(64, 8)}), "load_agent(DQN.load(FILE))",
    ),
    "tensors without end": (
        lambda: safetensors.torch.save({f"w{i}": torch.zeros(()) for i in range(10_001)}),
        "it holds 10001 tensors, at most 10000",
    ),
    "parts without end": (
        lambda: safetensors.torch.save({f"w{i}.weight": torch.zeros(2) for i in range(9_999)}),
        "no known format",
    ),
    "packed": (b"7z\xbc\xaf\x27\x1c", "unpack it"),
    "a script": (b"#!/bin/sh\necho", "a program"),
    "other frames": (
        lambda: saved({n: v[:, :1024] if n == "0.output.weight" else v for n, v in STATE.items()}),
        "height=64 width=64",
    ),
    **{
        f"{features} features": (partial(dense, (512, features)), words)
        for features, words in {
            3456: "such as 105x80: say height=105 width=80",
            5184: "84x84 ones that its convolutions pad (pass the module), or of frames of 100",
            7744: "116..123 by 116..123 pixels",
            3000: "of other convolutions than Nature's: load it where it was trained",
        }.items()
    },
    "fewer units": (partial(dense, (256, 3136)), "of 256 units, not 512: load it where it was"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_bounds_and_one_line(kind: str, tmp_path: Path) -> None:
    made, words = REFUSED[kind]
    path = tmp_path / "theirs\x1b[2J\n.pt"
    path.write_bytes(made() if callable(made) else made)
    started = time.process_time()
    with pytest.raises(UsageError) as refusal:
        load_agent(path)
    assert time.process_time() - started < 6  # a second, where annotations are not checked
    message = str(refusal.value)
    assert words in message
    assert message.isprintable()
    assert len(message) <= 800
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # KiB


PLACES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a pipe": (lambda path: os.mkfifo(path), "is not a file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is not a file"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "there is no"),
    "itself": (lambda path: path.symlink_to(path), "there is no"),
    "a folder": (lambda path: path.mkdir(), "no file that looks like an agent"),
    "a model of the hub": (
        lambda path: (path.mkdir(), (path / "pytorch_model.bin").touch()), "give that",
    ),
    "a SavedModel's folder": (
        lambda path: (path.mkdir(), (path / "saved_model.pb").touch()), "a SavedModel of TensorFl",
    ),
    "Orbax": (lambda path: (path / "_METADATA").mkdir(parents=True), "Orbax or Flax"),
    "a folder of folders": (
        lambda path: ((path / "best").mkdir(parents=True), (path / "best/a.zip").touch()),
        "best/a.zip in it may be an agent",
    ),
    "TensorFlow's arrays": (
        lambda path: (path.mkdir(), (path / "c-1.data-00000-of-00001").touch()), "Dopamine",
    ),
    "a folder with weights": (
        lambda path: (path.mkdir(), (path / "dqn.zip").touch()), "dqn.zip in it may be an agent",
    ),
    "a folder with a pipe": (
        lambda path: (path.mkdir(), os.mkfifo(path / "agent.toml")), "is not a file",
    ),
    "a run": (lambda path: (path / "checkpoints").mkdir(parents=True), "sap-rl agents export"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLACES)
def test_places_that_are_no_file(kind: str, tmp_path: Path) -> None:
    make, words = PLACES[kind]
    make(tmp_path / "there.pt")
    with pytest.raises(UsageError, match=words):
        load_agent(str(tmp_path / "there.pt"))


def test_an_agents_card_is_its_agent_and_its_weights_are_not() -> None:
    folder = shipped_agents()["BankHeist"]
    assert load_agent(folder / "agent.toml").sha256 == load_agent(folder).sha256
    with pytest.raises(UsageError, match="it is a part of an agent: give its folder"):
        load_agent(folder / "weights.safetensors")


@pytest.mark.parametrize(
    "name", ["", "https://x.y/a.pt", "x" * 5000, "x/" * 3000, "nul\0byte.pt", "\udcff.pt", "./\n"]
)
def test_names_that_no_file_has(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_agent(name)
    assert str(refusal.value).isprintable()
    with pytest.raises(UsageError):
        read_weights(Path(name))


def test_a_loss_of_torch_stands_beside_weights(tmp_path: Path) -> None:
    path = tmp_path / "theirs.pt"  # in the older format its source text would stand there too
    path.write_bytes(saved({"model": STATE, "loss": nn.SmoothL1Loss()}))
    assert load_agent(path).format == "pfrl"


def test_stubs_hold_no_code(tmp_path: Path) -> None:
    """What stands in for a class is ours, whatever the file calls it."""
    path = tmp_path / "theirs.pt"
    data = saved({"model": STATE, "x": Score()}).replace(b"Score", b"Stare")
    path.write_bytes(data)
    with pytest.raises((AttributeError, pickle.UnpicklingError, RuntimeError)):
        torch.load(path, weights_only=False)
    with pytest.raises(UsageError):  # the archive's checksum no longer fits
        load_agent(path)
