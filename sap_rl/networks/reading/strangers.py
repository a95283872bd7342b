"""Files that are no checkpoint of a network's tensors, told by how they begin."""

from __future__ import annotations

import io
import re
import zipfile

from sap_rl.networks.hub import SUFFIXES

BEGINNINGS: tuple[tuple[str, str], ...] = (
    (r"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch it with "
                                 "`git lfs pull`"),
    (r"\s*<(!doctype|!--|html|\?xml|head|body|title)", "an HTML page, as a link to a download "
                                                      "gives it: fetch the file itself"),
    (r"\s*({|\[[^a-z])", "a JSON file: give the file of the weights, which may lie beside it"),
    (r"\x89HDF\r\n", "an HDF5 file (Keras, h5py): save the network's tensors with torch.save or "
                     "safetensors"),
    (r"\x93NUMPY", "an array of NumPy: save the network's state_dict with torch.save"),
    (r"\x08[\x01-\x20](\x12|\x3a|\x42)", "an ONNX file: save the state_dict of the network that "
                                         "it was made of"),
    (r"(\xfd7zXZ|BZh|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd)", "a packed file: unpack it first"),
    (r"model_checkpoint_path:", "a checkpoint of TensorFlow (Dopamine), which is not read: "
                                "export the network's arrays into a module and pass that"),
    (r"(%PDF|\x89PNG|\xff\xd8\xff|GIF8|\0\0\0.ftyp)", "a document or picture: give the weights"),
    (r"(\x7fELF|MZ|#!)", "a program: give the weights that it saved"),
)  # fmt: skip
"""How a file begins, and what it is."""
LEVELDB = bytes.fromhex("57fb808b247547db")
"""How a TensorFlow checkpoint's index ends."""
MEMBERS = (
    ("constants.pkl", "a TorchScript file: load it with torch.jit.load and save its state_dict"),
    ("config.json", "a Keras file: save the network's tensors with torch.save or safetensors"),
    (".npy", "arrays of NumPy: save the network's state_dict with torch.save"),
    (
        "policy.optimizer.pth",
        "a Stable-Baselines3 zip without its policy.pth: save the model again",
    ),
    ("archive_format", "a program of torch.export: save the state_dict of its module"),
    *(
        (ending, f"a zip archive with {ending} files: unpack it and give one")
        for ending in SUFFIXES
    ),
)
"""What a zip archive holds, and what it is."""


def kind_of(data: bytes) -> str | None:
    """What a file is that is no torch file; None for what nobody would know."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
        found = (what for ending, what in MEMBERS if any(name.endswith(ending) for name in names))
        return next(found, None)
    start = data[:512].decode("latin-1").removeprefix("\xef\xbb\xbf")
    for beginning, what in BEGINNINGS:
        if re.match(beginning, start, re.IGNORECASE):
            return what
    if data[-8:] == LEVELDB:
        return "an index of TensorFlow's (Dopamine): export its arrays into a module and pass that"
    if data[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    return None


def beginning_of_text(data: bytes) -> str | None:
    """The first words of a text; None for what is none."""
    start = data[:512]
    try:
        text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    text = " ".join(text.split())
    return text[:40] if text.isprintable() and text else None
