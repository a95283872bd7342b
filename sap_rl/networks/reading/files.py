"""Reading the tensors of a file that anyone may have made: no code of it runs, no size is believed.

Everything unusable is one UsageError line.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from sap_rl.errors import UsageError, printable, unknown
from sap_rl.files import MAX_RESULT, read_file
from sap_rl.networks.reading.contents import Said, networks_in, part_of, playing, said_in
from sap_rl.networks.reading.names import other_names
from sap_rl.networks.reading.pickles import (
    MAX_PICKLE_BYTES,
    BrokenPickle,
    ForeignCall,
    load_pickle,
)
from sap_rl.networks.reading.request import OPEN, ask
from sap_rl.networks.reading.strangers import beginning_of_text, kind_by_name, kind_of
from sap_rl.texts import read_json

MAX_BYTES = 128 * 2**20
"""The most that a file may hold or unpack to: ten times any Q-network of these formats."""
MAX_ENTRIES = 10_000
"""The most files that an archive may hold, and tensors that a file may."""
ALONE = "save the network's state_dict alone"
AGAIN = "fetch it again, or save it again"
"""The cure for a file that was damaged or cut off."""
SB3_MEMBER = "policy.pth"
SB3_DATA = "data"
"""What is read of a Stable-Baselines3 zip: the tensors, and of the settings what is plain JSON."""
Container = Literal["torch", "safetensors", "sb3"]


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, none of them looked into yet.

    path: of the file; sha256: of its bytes; container: what it was; nested: entry of the file's
    mapping that held the tensors, "" if they were the mapping; said: what its plain data says of
    the frames, entries of a `Preprocess`.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    container: Container = "torch"
    nested: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)

    def names(self, *ignored: str) -> set[str]:
        """Names of all tensors but those that begin with an ignored prefix, and single numbers."""
        kept = (name for name, value in self.tensors.items() if not _is_number(name, value))
        return {name for name in kept if not name.startswith(ignored or ("\0",))}

    def variants(self) -> Iterator[Weights]:
        """Itself, then the same tensors under names without what wrappers put before them, or
        with what a Stable-Baselines3 policy puts before its network's; then all of these without
        single numbers, such as a counter of steps."""
        plain = {name: value for name, value in self.tensors.items() if not _is_number(name, value)}
        for kept in (self.tensors, plain):
            yield replace(self, tensors=kept)
            for names in other_names(kept):
                yield replace(self, tensors={new: kept[old] for old, new in names.items()})

    def take(self, name: str) -> Tensor:
        """A tensor as float32; UsageError if it is missing, not finite floats, or only pretends."""
        if name not in self.tensors:
            raise refusal(self.path, f"tensor '{name}' is missing")
        value = self.tensors[name]
        where = f"tensor '{name[:60]}' ({value.dtype})"
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise refusal(
                self.path,
                f"{where} is not a plain array (sparse, quantised or without data): save it dense, "
                "in floats",
            )
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise refusal(self.path, f"{where} claims more values than the file holds")
        if not value.is_floating_point() or not bool(torch.isfinite(value.float()).all()):
            raise refusal(
                self.path,
                f"{where} is not all finite floats: save a network that was not quantised, before "
                "its training diverged",
            )
        return value.detach().float().contiguous()


def _is_number(name: str, value: Tensor) -> bool:
    return value.dim() == 0 and not name.endswith((".weight", ".bias"))


def refusal(path: Path, reason: object) -> UsageError:
    """The error for an unusable file, in one line whatever is in it."""
    return UsageError(f"{path}: {printable(' '.join(str(reason).split()), 500)}")


def read_weights(path: Path, entry: str | None = None) -> Weights:
    """The tensors of a torch file (plain or gzipped), of safetensors, or of SB3's zip.

    entry: of the file, that holds the network where several could. Bounded in memory and time;
    raises UsageError in one line for anything else, and names the function that a pickle wanted to
    call.
    """
    data = read_file(path, MAX_BYTES, cure=ALONE)
    if not data:
        raise refusal(path, f"is empty: {AGAIN}")
    sha256 = hashlib.sha256(data).hexdigest()
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data, path)
    if _is_safetensors(data):
        _, tensors = _network(_safetensors(data, path), [], entry, path)
        return Weights(path, sha256, tensors, "safetensors", said=_said_by_header(data))
    container: Container = "torch"
    said: Said = {}
    if data[:2] == b"PK":
        members = _check_archive(data, path)
        if SB3_MEMBER in members:
            said = _said_by_sb3(data, members, path)
            container, data = "sb3", _member(data, SB3_MEMBER, path, MAX_BYTES)
            if data[:2] == b"PK":
                _check_archive(data, path)
    if what := kind_of(data):
        raise refusal(path, what)
    loaded, classes = _torch_load(data, path)
    nested, tensors = _network(loaded, classes, entry, path)
    return Weights(path, sha256, tensors, container, nested, said_in(loaded) | said)


def _said_by_header(data: bytes) -> Said:
    """What the texts beside the tensors of safetensors say."""
    (length,) = struct.unpack("<Q", data[:8])
    return said_in(read_json(data[8 : 8 + length]).get("__metadata__", {}))


def _said_by_sb3(data: bytes, members: set[str], path: Path) -> Said:
    """What SB3's own settings say in plain JSON; the pickles in it are not looked at."""
    if SB3_DATA not in members:
        return {}
    try:
        return said_in(read_json(_member(data, SB3_DATA, path, MAX_RESULT)))
    except UsageError:  # of no version that is known
        return {"scale": OPEN}


def _network(
    loaded: Any, classes: list[str], entry: str | None, path: Path
) -> tuple[str, dict[str, Tensor]]:
    """The network's tensors and the entry that held them; the question where several could be."""
    if isinstance(loaded, Mapping) and {*loaded} == {"state", "param_groups"}:
        raise refusal(path, "an optimiser's state: save the network's state_dict")
    found = networks_in(loaded)
    if entry is not None and found:
        tensors = found.get(entry) or part_of(found, entry)
        if not tensors:
            parts = [name.partition(".")[0] for name in found.get("", {})]
            choices = dict.fromkeys([*filter(None, found), *parts])
            raise refusal(path, unknown("entry", entry, choices))
        return entry, tensors
    may_play = playing(found)
    if len(may_play) == 1:
        return next(iter(may_play.items()))
    if classes and not may_play:
        raise called(path, classes[0])
    if found:
        names = sorted(may_play or found)
        raise ask(
            path,
            f"which of its entries is the network that plays: {', '.join(names[:12])}?",
            f"entry='{names[0]}' (--entry {names[0]})",
        )
    raise refusal(
        path,
        f"holds no network's state_dict but a {type(loaded).__name__}: save one with torch.save",
    )


def called(path: Path, name: object) -> UsageError:
    """The refusal of a pickle for the sake of what it names."""
    return refusal(
        path,
        f"refused: unpickling it would call {name}, and no code of a checkpoint is run; "
        "save the network's state_dict, or pass the module itself",
    )


def _gunzip(data: bytes, path: Path) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise refusal(path, f"a broken gzip file: {error}: {AGAIN}") from None
    if len(plain) > MAX_BYTES:
        raise refusal(path, f"unpacks to more than {MAX_BYTES} bytes: {ALONE}")
    if not unpacker.eof:
        raise refusal(path, f"a gzip file that ends too early: {AGAIN}")
    return plain


def _check_archive(data: bytes, path: Path) -> set[str]:
    """The members of a zip; UsageError if it would unpack to more than a checkpoint can hold."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile lets struct.error, NotImplementedError and more through
        raise refusal(path, f"a broken zip archive: {error}: {AGAIN}") from None
    if len(members) > MAX_ENTRIES:
        many = f"a zip archive of {len(members)} entries, at most {MAX_ENTRIES}"
        raise refusal(path, f"{many}: {ALONE}")
    sizes = {member.filename: member.file_size for member in members}
    if SB3_MEMBER not in sizes and sum(member.file_size for member in members) > MAX_BYTES:
        raise refusal(path, f"unpacks to more than {MAX_BYTES} bytes: {ALONE}")
    for name, size in sizes.items():
        if name.endswith("data.pkl") and size > MAX_PICKLE_BYTES:
            raise refusal(
                path,
                f"its pickle has {size} bytes, at most {MAX_PICKLE_BYTES}: save the network's "
                "state_dict alone, as tensors of torch",
            )
    if SB3_MEMBER not in sizes:
        _require_whole(data, path)
    return set(sizes)


def _require_whole(data: bytes, path: Path) -> None:
    """UsageError where bytes in an archive are not those that were saved, which torch overlooks."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            broken = archive.testzip()
    except Exception as error:
        raise refusal(path, f"a broken zip archive: {error}: {AGAIN}") from None
    if broken is not None:
        raise refusal(path, f"'{broken}' in it is damaged (CRC-32): {AGAIN}")


def _member(data: bytes, name: str, path: Path, most: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(name) as member:
            plain = member.read(most + 1)
    except Exception as error:
        raise refusal(path, f"'{name}' in it cannot be unpacked: {error}: {AGAIN}") from None
    if len(plain) > most:
        raise refusal(path, f"'{name}' in it unpacks to more than {most} bytes")
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
    if len(found) > MAX_ENTRIES:
        raise refusal(path, f"it holds {len(found)} tensors, at most {MAX_ENTRIES}")
    return found


def _torch_load(data: bytes, path: Path) -> tuple[Any, list[str]]:
    """What is in torch's own file, and the classes of what stands there beside tensors."""
    try:
        return load_pickle(data)
    except ForeignCall as call:
        raise called(path, call) from None
    except BrokenPickle as error:
        if (what := kind_by_name(path.name)) is not None:
            raise refusal(path, what) from None
        if (text := beginning_of_text(data)) is not None:
            raise refusal(
                path, f"a text that begins {text!r}: give the network's weights"
            ) from None
        raise refusal(
            path,
            f"not a readable torch, safetensors or zip file ({error}): fetch it again, or save the "
            "network's state_dict with torch.save; of another framework, pass a module of torch",
        ) from None
