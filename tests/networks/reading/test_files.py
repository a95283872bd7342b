"""Files that anyone may have made: nothing of them runs, nothing is believed, one line is said."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from sap_rl import UsageError, load_agent
from sap_rl.networks.reading import files
from sap_rl.networks.reading.files import read_weights
from tests.networks.foreign import FOREIGN, sb3_zip

SMALL = {"0.layers.0.weight": torch.ones(3), "1.bias": torch.arange(2.0)}


class Evil:
    """Its pickle makes a file when a naive reader unpickles it."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, (f"touch {self.victim}",)


def saved(loaded: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(loaded, file, **options)
    return file.getvalue()


def refused(data: bytes, folder: Path, name: str = "made_up.pt", **options: Any) -> str:
    path = folder / name
    path.write_bytes(data)
    with pytest.raises(UsageError) as refusal:
        load_agent(path, **options)
    message = str(refusal.value)
    assert "\n" not in message
    assert name in message
    assert len(message) <= 600
    return message


CONTAINERS: dict[str, Callable[[Any], bytes]] = {
    "torch": saved,
    "legacy torch": lambda x: saved(x, _use_new_zipfile_serialization=False),
    "gzip": lambda x: gzip.compress(saved(x)),
    "sb3": lambda x: sb3_zip(saved(x)),
    "pickle": pickle.dumps,
    "old pickle": lambda x: pickle.dumps(x, protocol=0),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("container", CONTAINERS)
def test_an_exploit_is_refused_by_name(container: str, nested: bool, tmp_path: Path) -> None:
    evil = Evil(tmp_path / "owned")
    data = CONTAINERS[container]({"network.0.weight": evil, **SMALL} if nested else evil)
    message = refused(data, tmp_path)
    assert "refused: unpickling it would call posix.system" in message
    assert not evil.victim.exists()


def test_the_exploit_would_have_worked(tmp_path: Path) -> None:
    evil = Evil(tmp_path / "owned")
    pickle.loads(pickle.dumps(evil))
    assert evil.victim.exists()


def test_other_members_of_a_stable_baselines3_zip_are_never_looked_at(tmp_path: Path) -> None:
    evil = Evil(tmp_path / "owned")
    foreign = FOREIGN["sb3"]
    path = tmp_path / "theirs.zip"
    path.write_bytes(sb3_zip(saved(foreign.state), data=pickle.dumps(evil)))
    load_agent(path, preprocess={"scale": "pixels"})
    assert not evil.victim.exists()


def test_a_pickled_module_is_told_what_to_do(tmp_path: Path) -> None:
    message = refused(saved(torch.nn.Linear(2, 2)), tmp_path)
    assert "would call torch.nn.modules.linear.Linear" in message
    assert "save the network's state_dict, or pass the module itself" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x80", "not a readable torch"),
        (b"hello, this is no checkpoint at all", "a text that begins 'hello, this is no"),
        (b"PK\x03\x04 but no archive", "a broken zip archive"),
        (b"\x1f\x8b but no gzip", "a broken gzip file"),
        (gzip.compress(saved(SMALL))[:-20], "ends too early"),
        (saved(SMALL)[:-100], "a broken zip archive"),
        (saved(SMALL, _use_new_zipfile_serialization=False)[:-4], "not a readable torch"),
        (struct.pack("<Q", 10) + b"{not json}", "not a safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "not a readable torch"),
        (saved([1, 2]), "holds no network's state_dict but a list"),
        (saved({"step": 3}), "holds no network's state_dict but a dict"),
        (saved({"model_state_dict": 3}), "holds no network's state_dict but a dict"),
        (saved({"a": torch.zeros(1)}), "no known format: its tensors are a; known are native"),
        (sb3_zip(b""), "'policy.pth' in it is empty"),
        (sb3_zip(b"PK\x03\x04 but no archive"), "a broken zip archive"),
    ],
)
def test_broken_files(data: bytes, words: str, tmp_path: Path) -> None:
    assert words in refused(data, tmp_path)


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a file"):
        read_weights(tmp_path / "pipe")  # and it does not wait for a writer
    with pytest.raises(UsageError, match=r"there is no agent's file 'nobody\.zip'"):
        load_agent("nobody.zip")
    with pytest.raises(UsageError, match="cannot be read"):
        read_weights(tmp_path / ("x" * 300))


BAD_TENSORS: dict[str, tuple[Tensor, str]] = {
    "nan": (torch.full((512,), torch.nan), "(torch.float32) is not all finite floats"),
    "infinite": (torch.full((512,), torch.inf), "(torch.float32) is not all finite floats"),
    "float64 beyond": (
        torch.full((512,), 1e300, dtype=torch.float64),
        "(torch.float64) is not all finite",
    ),
    "integers": (torch.zeros(512, dtype=torch.int64), "(torch.int64) is not all finite floats"),
    "complex": (torch.zeros(512, dtype=torch.complex64), "(torch.complex64) is not all finite"),
    "sparse": (torch.zeros(512).to_sparse(), "is not a plain array"),
    "one number stretched": (torch.zeros(1).expand(512), "claims more values than the file holds"),
    "stretched to absurdity": (torch.zeros(1).expand(10**9, 10**6), "claims more values"),
    "wrong shape": (torch.zeros(511), "size mismatch for dense.bias"),
    "scalar": (torch.tensor(1.0), "size mismatch for dense.bias"),
    "empty": (torch.zeros(0), "size mismatch for dense.bias"),
}


@pytest.mark.parametrize("kind", BAD_TENSORS)
def test_unusable_tensors(kind: str, tmp_path: Path) -> None:
    tensor, words = BAD_TENSORS[kind]
    foreign = FOREIGN["pfrl"]
    data = foreign.packed(foreign.state | {"0.output.bias": tensor})
    assert words in refused(data, tmp_path)


@pytest.mark.parametrize("name", FOREIGN)
def test_any_tensor_of_any_format_may_be_wrong(name: str, tmp_path: Path) -> None:
    foreign = FOREIGN[name]
    unread = ("critic", "value_net", "vf_features")  # only an actor's critic uses them
    if any(key.startswith("pi_features") for key in foreign.state):
        unread = (*unread, "features_extractor.cnn", "features_extractor.linear")
    used = [k for k in foreign.state if not any(u in k for u in unread) or k.startswith("pi_")]
    for key in (*used[:2], *used[-2:]):
        for wrong in (torch.zeros(()), torch.zeros(1), torch.zeros(2, 0), torch.zeros(3, 3, 3, 3)):
            if wrong.shape == foreign.state[key].shape:
                continue
            state = foreign.state | {key: wrong}
            data = foreign.packed({foreign.nested: state} if foreign.nested else state)
            refused(data, tmp_path, f"wrong{foreign.ending}", **foreign.options)


def bomb(name: str, size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as to:
        for _ in range(size // 2**20):
            to.write(b"\0" * 2**20)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["policy.pth", "archive/data/0", "archive/data.pkl", "gzip"])
def test_bombs_cost_little(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB of zeros in 64 KiB, where 4 MiB may be unpacked."""
    monkeypatch.setattr(files, "MAX_BYTES", 4 * 2**20)
    data = gzip.compress(b"\0" * 64 * 2**20, 9) if kind == "gzip" else bomb(kind, 64 * 2**20)
    assert len(data) < 100_000
    tracemalloc.start()
    started = time.process_time()  # of this process: machines that are shared may wait
    message = refused(data, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "unpacks to more than" in message or "its pickle has" in message
    assert peak < 40 * 2**20
    assert time.process_time() - started < 5


def test_a_zip_that_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 4 * 2**20)
    data = bomb("policy.pth", 64 * 2**20)
    lie = data.replace(struct.pack("<I", 64 * 2**20), struct.pack("<I", 1000))
    assert lie != data
    refused(lie, tmp_path)


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    with path.open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)
    with pytest.raises(UsageError, match="at most 134217728 are read"):
        load_agent(path)


def test_names_of_a_file_cannot_break_a_line(tmp_path: Path) -> None:
    message = refused(saved({"a\nb\x1b[31m" * 100: torch.zeros(1)}), tmp_path)
    assert len(message) <= 600


BASES = [
    saved(SMALL),
    saved(SMALL, _use_new_zipfile_serialization=False),
    gzip.compress(saved({"estimator_state": SMALL})),
    sb3_zip(saved(SMALL)),
    pickle.dumps({"a": [1.0]}),
    struct.pack("<Q", 60)
    + json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).ljust(60).encode()
    + b"\0" * 4,
]


@st.composite
def corrupted(draw: st.DrawFn) -> bytes:
    """A file with bytes changed, cut out, doubled."""
    data = bytearray(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "double"]))
        if kind == "set" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[place : place + draw(st.integers(1, 200))]
        elif kind == "insert":
            data[place:place] = draw(st.binary(max_size=20))
        else:
            data[place:place] = data[place : place + draw(st.integers(1, 200))]
    return bytes(data)


@settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=corrupted() | st.binary(max_size=300))
def test_no_file_makes_a_traceback(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "fuzz.pt"
    path.write_bytes(data)
    started = time.process_time()
    with contextlib.suppress(UsageError):  # anything else fails, and so does waiting
        load_agent(path)
    assert time.process_time() - started < 5


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_no_content_makes_a_traceback(content: Any) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"sap_rl_fuzz_{os.getpid()}.pt"
    path.write_bytes(saved(content))
    try:
        with pytest.raises(UsageError):
            load_agent(path)
    finally:
        path.unlink()
