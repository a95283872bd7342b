"""CIFAR-10 is read in every official form, and in no other."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sap_rl.errors import UsageError
from sap_rl.vision import data
from sap_rl.vision.data import BINARY, PYTHON, Images, load_cifar10
from tests.vision.made import made_images

ROWS = 20


def batches(form: str, *, classes: int = 10) -> dict[str, bytes]:
    """Made-up files of a form by their official names."""
    found = {}
    for number, name in enumerate(data.MD5[form]):
        images = made_images(ROWS, classes=classes, seed=number)
        pixels, labels = images.pixels.numpy().reshape(ROWS, -1), images.labels.numpy()
        if form == BINARY:
            rows = np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1)
            found[name] = rows.tobytes()
        else:
            found[name] = pickled(pixels, labels)
    return found


def pickled(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """A batch as Python 2 and its numpy pickled it, which is the official form."""
    count, size = pixels.shape
    shape = b"K" + bytes([count]) + b"M" + size.to_bytes(2, "little") + b"\x86"
    dtype = (
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        + 2 * b"J\xff\xff\xff\xff"
        + b"K\x00tb"
    )
    raw = b"T" + pixels.size.to_bytes(4, "little") + pixels.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array += b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels.tolist()) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + listed + b"u."


def publish(monkeypatch: pytest.MonkeyPatch, form: str, files: dict[str, bytes]) -> None:
    """Make these the official files."""
    monkeypatch.setattr(data, "ROWS", ROWS)
    for name, content in files.items():
        monkeypatch.setitem(data.MD5[form], name, hashlib.md5(content).hexdigest())


def write_folder(place: Path, form: str, files: dict[str, bytes]) -> Path:
    folder = place / form
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(place: Path, form: str, files: dict[str, bytes]) -> Path:
    name = next(name for name, its in data.ARCHIVES.items() if its == form)
    with tarfile.open(place / name, "w:gz") as archive:
        for file, content in files.items():
            member = tarfile.TarInfo(f"{form}/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return place / name


@pytest.mark.parametrize("form", [BINARY, PYTHON])
@pytest.mark.parametrize("kind", ["folder", "above", "archive", "beside"])
def test_every_form_gives_the_same_images(
    form: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = batches(form)
    publish(monkeypatch, form, files)
    write = write_folder if kind in ("folder", "above") else write_archive
    where = write(tmp_path, form, files)
    place = where if kind in ("folder", "archive") else tmp_path
    train, test = load_cifar10(place, "train"), load_cifar10(place, "test")
    assert (len(train), len(test)) == (5 * ROWS, ROWS)
    for part, seed in ((train.pixels[:ROWS], 0), (train.pixels[-ROWS:], 4), (test.pixels, 5)):
        torch.testing.assert_close(part, made_images(ROWS, seed=seed).pixels)
    torch.testing.assert_close(test.labels, torch.arange(ROWS) % 10)


def test_a_changed_file_is_refused_with_its_md5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = batches(BINARY)
    publish(monkeypatch, BINARY, files)
    changed = files | {"test_batch.bin": files["test_batch.bin"][:-1] + b"\0"}
    write_folder(tmp_path, BINARY, changed)
    found = hashlib.md5(changed["test_batch.bin"]).hexdigest()
    with pytest.raises(UsageError, match=rf"test_batch\.bin has md5 {found}, not the official"):
        load_cifar10(tmp_path, "test")


def test_an_archive_that_is_cut_off_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = batches(BINARY)
    publish(monkeypatch, BINARY, files)
    path = write_archive(tmp_path, BINARY, files)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UsageError, match="cut off") as refused:
        load_cifar10(path, "test")
    assert "\n" not in str(refused.value)


def test_classes_beyond_ten_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = batches(BINARY, classes=12)
    publish(monkeypatch, BINARY, files)
    write_folder(tmp_path, BINARY, files)
    with pytest.raises(UsageError, match="classes up to 11; CIFAR-10 has 0 to 9"):
        load_cifar10(tmp_path, "test")


def test_a_pickle_that_names_something_else_is_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Harm:
        def __reduce__(self) -> object:
            return Path.touch, (tmp_path / "harmed",)

    files = batches(PYTHON) | {"test_batch": pickle.dumps(Harm(), protocol=2)}
    publish(monkeypatch, PYTHON, files)
    write_folder(tmp_path, PYTHON, files)
    with pytest.raises(UsageError, match="cannot be read: it names"):
        load_cifar10(tmp_path, "test")
    assert not (tmp_path / "harmed").exists()


def test_nothing_there_says_where_it_is_had_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fetch cifar-10-binary\.tar\.gz from https://.*--data"):
        load_cifar10(tmp_path, "test")


def test_another_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-binary.tar.gz").touch()
    with pytest.raises(UsageError, match="is no archive of CIFAR-10"):
        load_cifar10(tmp_path / "cifar-100-binary.tar.gz", "test")


def test_centre_and_first_of_each_class() -> None:
    pixels = torch.arange(6 * 6).reshape(1, 1, 6, 6).expand(7, 3, 6, 6).to(torch.uint8)
    images = Images(pixels, torch.tensor([1, 1, 0, 0, 1, 0, 0]))
    assert images.centre(2).pixels[0, 0].tolist() == [[14, 15], [20, 21]]
    assert images.first(4).labels.tolist() == [1, 1, 0, 0]
    assert images.first(6).labels.tolist() == [1, 1, 0, 0, 1, 0]
    with pytest.raises(UsageError, match="8 images would be 4 of each class, and one has 3"):
        images.first(8)
    with pytest.raises(UsageError, match="multiple of the 2 classes, got 3"):
        images.first(3)
    with pytest.raises(UsageError, match="6x6 have no centre of 7x7"):
        images.centre(7)
