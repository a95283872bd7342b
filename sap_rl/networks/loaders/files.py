"""Reading the tensors of a file that anyone may have made: no code of it runs, no size is believed.

Everything unusable is one UsageError line.
"""

from __future__ import annotations

import hashlib
import io
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from sap_rl.errors import UsageError, printable
from sap_rl.files import read_file

MAX_BYTES = 128 * 2**20
"""The most that a file may hold or unpack to: ten times any Q-network of these formats."""
MAX_ENTRIES = 10_000
"""The most files that an archive may hold."""
MAX_PICKLE_BYTES = 2**20
"""The most that the pickle in a torch archive may take; a state_dict's has a few kilobytes."""
SB3_MEMBER = "policy.pth"
"""What is read of a Stable-Baselines3 zip; its other members hold pickled code."""
NESTED = ("model_state_dict", "estimator_state", "state_dict")
"""Entries under which training scripts put the network's own state_dict."""

Container = Literal["torch", "safetensors", "sb3"]


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, none of them looked into yet.

    path: of the file; sha256: of its bytes; container: what it was; nested: entry of the file's
    mapping that held the tensors, "" if they were the mapping.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    container: Container = "torch"
    nested: str = ""

    def names(self, *ignored: str) -> set[str]:
        """Names of all tensors but those that begin with an ignored prefix."""
        return {name for name in self.tensors if not name.startswith(ignored or ("\0",))}

    def take(self, name: str) -> Tensor:
        """A tensor as float32; UsageError if it is missing, not finite floats, or only pretends."""
        if name not in self.tensors:
            raise refusal(self.path, f"tensor '{name}' is missing")
        value = self.tensors[name]
        where = f"tensor '{name[:60]}' ({value.dtype})"
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise refusal(self.path, f"{where} is not a plain array")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise refusal(self.path, f"{where} claims more values than the file holds")
        if not value.is_floating_point() or not bool(torch.isfinite(value.float()).all()):
            raise refusal(self.path, f"{where} is not all finite floats")
        return value.detach().float().contiguous()


def refusal(path: Path, reason: object) -> UsageError:
    """The error for an unusable file, in one line whatever is in it."""
    return UsageError(f"{path}: {printable(' '.join(str(reason).split()), 500)}")


def read_weights(path: Path) -> Weights:
    """The tensors of a torch file (plain or gzipped), of safetensors, or of SB3's zip.

    Bounded in memory and time; raises UsageError in one line for anything else, and names the
    function that a pickle wanted to call.
    """
    data = read_file(path, MAX_BYTES)
    if not data:
        raise refusal(path, "is empty")
    sha256 = hashlib.sha256(data).hexdigest()
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, path)
    if _is_safetensors(data):
        return Weights(path, sha256, _safetensors(data, path), "safetensors")
    container: Container = "torch"
    if data[:2] == b"PK":
        members = _check_archive(data, path)
        if SB3_MEMBER in members:
            container, data = "sb3", _member(data, SB3_MEMBER, path)
            if data[:2] == b"PK":
                _check_archive(data, path)
    nested, tensors = _tensors(_torch_load(data, path), path)
    return Weights(path, sha256, tensors, container, nested)


def _gunzip(data: bytes, path: Path) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise refusal(path, f"a broken gzip file: {error}") from None
    if len(plain) > MAX_BYTES:
        raise refusal(path, f"unpacks to more than {MAX_BYTES} bytes")
    if not unpacker.eof:
        raise refusal(path, "a gzip file that ends too early")
    return plain


def _check_archive(data: bytes, path: Path) -> set[str]:
    """The members of a zip; UsageError if it would unpack to more than a checkpoint can hold."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile lets struct.error, NotImplementedError and more through
        raise refusal(path, f"a broken zip archive: {error}") from None
    if len(members) > MAX_ENTRIES:
        raise refusal(path, f"a zip archive of {len(members)} entries, at most {MAX_ENTRIES}")
    sizes = {member.filename: member.file_size for member in members}
    if SB3_MEMBER not in sizes and sum(member.file_size for member in members) > MAX_BYTES:
        raise refusal(path, f"unpacks to more than {MAX_BYTES} bytes")
    for name, size in sizes.items():
        if name.endswith("data.pkl") and size > MAX_PICKLE_BYTES:
            raise refusal(path, f"its pickle has {size} bytes, at most {MAX_PICKLE_BYTES}")
    return set(sizes)


def _member(data: bytes, name: str, path: Path) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(name) as member:
            plain = member.read(MAX_BYTES + 1)
    except Exception as error:
        raise refusal(path, f"'{name}' in it cannot be unpacked: {error}") from None
    if len(plain) > MAX_BYTES:
        raise refusal(path, f"'{name}' in it unpacks to more than {MAX_BYTES} bytes")
    if not plain:
        raise refusal(path, f"'{name}' in it is empty")
    return plain


def _is_safetensors(data: bytes) -> bool:
    if len(data) < 9 or data[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", data[:8])
    return bool(8 + length <= len(data))


def _safetensors(data: bytes, path: Path) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load_safetensors(data)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise refusal(path, f"not a safetensors file: {error}") from None
    return found


def _torch_load(data: bytes, path: Path) -> Any:
    """What torch.load makes of it with weights_only, which calls nothing that a file names."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols and storages
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a made-up file may provoke
        for name in _foreign_calls(data):
            raise refusal(
                path,
                f"refused: unpickling it would call {name}, and no code of a checkpoint is run; "
                "save the network's state_dict, or pass the module itself",
            ) from None
        # A text of torch's may be pages long, and made by the file: only its kind is told.
        raise refusal(
            path, f"not a readable torch, safetensors or zip file ({type(error).__name__})"
        ) from None


KNOWN_CALLS = ("torch", "torch._utils", "torch._tensor", "torch.serialization", "collections")
"""Modules whose names in a pickle are no reason to refuse it."""


def _foreign_calls(data: bytes) -> Iterator[str]:
    """Names in a pickle, `module.function`, that belong to no plain state_dict."""
    strings: list[str] = []
    try:
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
                data = archive.open(pickles[0]).read(MAX_PICKLE_BYTES)
        stream = io.BytesIO(data)
        while stream.tell() < len(data):  # torch's legacy files are pickles one after the other
            for opcode, arg, _ in pickletools.genops(stream):
                if isinstance(arg, str) and opcode.name not in ("GLOBAL", "INST"):
                    strings = [*strings[-1:], arg]
                named = None
                if opcode.name in ("GLOBAL", "INST"):
                    named = str(arg).split(" ", 1)
                elif opcode.name == "STACK_GLOBAL" and len(strings) == 2:
                    named = strings
                if named and named[0] not in KNOWN_CALLS:
                    yield ".".join(named)[:80]
    except Exception:  # a broken pickle has been refused already; it only stays unnamed
        return


def _tensors(loaded: Any, path: Path) -> tuple[str, dict[str, Tensor]]:
    """The state_dict in what was loaded, and the entry that held it."""
    if isinstance(loaded, Mapping):
        for nested in ("", *NESTED):
            inner = loaded.get(nested) if nested else loaded
            found = {
                name: value
                for name, value in (inner.items() if isinstance(inner, Mapping) else ())
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            if found:
                return nested, found
    raise refusal(path, f"holds no network's state_dict but a {type(loaded).__name__}")
