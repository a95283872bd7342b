"""CIFAR-10 as its author publishes it: the binary or the Python form, a folder or an archive."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sap_rl.errors import UsageError
from sap_rl.files import read_file
from sap_rl.types import Actions, Pixels

Split = Literal["train", "test"]

SIDE = 32
ROWS = 10_000
"""Images of one file."""
BYTES = 3 * SIDE * SIDE

BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
ARCHIVES = {"cifar-10-binary.tar.gz": BINARY, "cifar-10-python.tar.gz": PYTHON}
HAD_FROM = "https://www.cs.toronto.edu/~kriz/cifar.html"

MD5 = {
    BINARY: {
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    PYTHON: {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
}
"""Form -> file -> its md5. Source of the Python form's: torchvision 0.20, `datasets.CIFAR10`."""

MAX_FILE = 64 * 2**20
"""Bytes that are read of one file: twice the largest of them."""


@dataclass(frozen=True)
class Images:
    """Images [N, 3, H, W] in pixels 0..255, and their classes [N]."""

    pixels: Pixels
    labels: Actions

    def __len__(self) -> int:
        return len(self.labels)

    def centre(self, side: int) -> Images:
        """The middle `side` x `side` pixels of each; UsageError where there are not so many."""
        height, width = self.pixels.shape[2:]
        if side > min(height, width):
            raise UsageError(f"images of {height}x{width} have no centre of {side}x{side}")
        top, left = (height - side) // 2, (width - side) // 2
        return Images(self.pixels[:, :, top : top + side, left : left + side], self.labels)

    def first(self, count: int) -> Images:
        """The first `count` images, as many of every class; their order stays.

        UsageError where a class has too few, or the classes do not divide the count.
        """
        kinds = int(self.labels.max()) + 1
        each, rest = divmod(count, kinds)
        if rest or each < 1:
            raise UsageError(f"images must be a multiple of the {kinds} classes, got {count}")
        rows = [torch.nonzero(self.labels == kind).flatten()[:each] for kind in range(kinds)]
        short = min(map(len, rows))
        if short < each:
            raise UsageError(f"{count} images would be {each} of each class, and one has {short}")
        chosen = torch.cat(rows).sort().values
        return Images(self.pixels[chosen], self.labels[chosen])


def load_cifar10(place: Path, split: Split) -> Images:
    """The 50,000 training or 10,000 test images.

    place: a folder of the official files, the folder above it, or the official archive or where it
    lies. Nothing in a file is executed. Raises UsageError in one line where nothing is there, and
    for a file that is cut off or not the official one.
    """
    source, form = _found(place)
    names = [name for name in MD5[form] if (split == "test") == name.startswith("test")]
    read = _read_archive if source.is_file() else _read_folder
    parts = []
    for name, data in read(source, form, names).items():
        if (md5 := hashlib.md5(data, usedforsecurity=False).hexdigest()) != MD5[form][name]:
            raise UsageError(
                f"'{source}': {name} has md5 {md5}, not the official {MD5[form][name]}; fetch it "
                f"again from {HAD_FROM}"
            )
        parts.append(_binary(data) if form == BINARY else _python(data))
        _check(*parts[-1], f"'{source}': {name}")
    pixels = np.concatenate([images for images, _ in parts]).reshape(-1, 3, SIDE, SIDE)
    labels = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels))


def _found(place: Path) -> tuple[Path, str]:
    """The folder of batches or the archive at a place, and its form."""
    if place.is_file():
        if place.name in ARCHIVES:
            return place, ARCHIVES[place.name]
        raise UsageError(f"'{place}' is no archive of CIFAR-10; they are: {', '.join(ARCHIVES)}")
    for form, names in MD5.items():
        for folder in (place, place / form):
            if (folder / next(iter(names))).is_file():
                return folder, form
    for name, form in ARCHIVES.items():
        if (place / name).is_file():
            return place / name, form
    raise UsageError(
        f"there is no CIFAR-10 in '{place}': fetch {next(iter(ARCHIVES))} from {HAD_FROM} and say "
        "--data with the folder that it lies in"
    )


def _read_folder(folder: Path, _form: str, names: list[str]) -> dict[str, bytes]:
    """Files by name."""
    found = {}
    for name in names:
        found[name] = read_file(folder / name, MAX_FILE)
    return found


def _read_archive(path: Path, form: str, names: list[str]) -> dict[str, bytes]:
    """Files of an archive by name, in their order; nothing is unpacked to the disk."""
    found = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                if folder.removeprefix("./") == form and name in names and member.isreg():
                    file = archive.extractfile(member)
                    found[name] = file.read(MAX_FILE) if file else b""
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise UsageError(f"'{path}' is cut off or no archive: {error}") from error
    if missing := [name for name in names if name not in found]:
        raise UsageError(f"'{path}' lacks {', '.join(missing)}")
    return {name: found[name] for name in names}


def _binary(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 3072] and labels of rows of 1 + 3072 bytes."""
    if len(data) % (1 + BYTES):
        return np.empty((0, BYTES), np.uint8), np.empty(0, np.uint8)
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + BYTES)
    return rows[:, 1:], rows[:, 0]


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
"""All that a pickle of the Python form may name: what makes an array again."""


class _ArraysOnly(pickle.Unpickler):
    """Makes lists, mappings, texts and arrays; whatever else a pickle names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _ALLOWED[module, name]


def _python(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 3072] and labels of a pickled mapping; UsageError for any other pickle."""
    try:
        found = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
        return np.asarray(found["data"]), np.asarray(found["labels"])
    except Exception as error:  # whatever a broken pickle may raise
        raise UsageError(f"a batch of CIFAR-10's Python form cannot be read: {error}") from error


def _check(images: np.ndarray, labels: np.ndarray, where: str) -> None:
    """UsageError for what is no batch of CIFAR-10."""
    if images.dtype != np.uint8 or images.shape != (ROWS, BYTES) or labels.shape != (ROWS,):
        raise UsageError(f"{where} holds {images.dtype} {list(images.shape)}, not {ROWS:,} images")
    if not np.issubdtype(labels.dtype, np.integer) or not 0 <= labels.min() <= labels.max() < 10:
        raise UsageError(f"{where} has classes up to {labels.max()}; CIFAR-10 has 0 to 9")
