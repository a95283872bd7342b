"""Files that are no checkpoint of a network's tensors, told by how they begin."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable

from sap_rl.networks.hub import SUFFIXES

CURE = (
    "copy its arrays into a module of torch, and pass that (load_agent(module)) or its state_dict"
)
SAVED_MODEL = f"a SavedModel of TensorFlow, which is not read: {CURE}"
CHECKPOINT = f"a checkpoint of TensorFlow (Dopamine), which is not read: {CURE}"
FLAX = f"a msgpack file (Flax, JAX), which is not read: {CURE}"
RLLIB = "a checkpoint of RLlib: load it there and pass its module, or save that one's state_dict"
COREML = "a CoreML model: save the state_dict of the network that it was made of"
FRAMEWORK = f"another framework's file, which is not read: {CURE}"

BEGINNINGS: tuple[tuple[str, str], ...] = (
    (r"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch it with "
                                 "`git lfs pull`"),
    (r"\s*<(!doctype|!--|html|\?xml|head|body|title)", "an HTML page or XML, as a link to a "
                                                      "download gives it: fetch the file itself"),
    (r"\s*({|\[[^a-z])", "a JSON file: give the file of the weights, which may lie beside it"),
    (r"\x89HDF\r\n", "an HDF5 file (Keras, h5py): save the network's tensors with torch.save or "
                     "safetensors"),
    (r"\x93NUMPY", "an array of NumPy: save the network's state_dict with torch.save"),
    (r"\x08\x01\x12", SAVED_MODEL),
    (r"\x08[\x02-\x20](\x12[\x01-\x7f][!-~]{2}|\x3a|\x42)", "an ONNX file: save the state_dict of "
                                                         "the network that it was made of"),
    (r"\x08[\x02-\x20]\x12[^\n]{1,3}\n", COREML),
    (r"\n.{1,3}\n[^\n]\w+(/\w+)*\x12", f"a graph of TensorFlow, which is not read: {CURE}"),
    (r".{4}TFL3", "a TensorFlow Lite model: save the state_dict of the network that it was made "
                  "of, in torch"),
    (r".{4}ET1\d", "an ExecuTorch program: save the state_dict of its module"),
    (r"GG(UF|ML)|lmgg|tjgg", f"a GGUF file (llama.cpp), which is not read: {CURE}"),
    (r"([\x81-\x8f]|\xde..)([\xa1-\xbf]|\xd9.)\w", FLAX),
    (r"(ftrt|ptrt|\x12\x01\0\0\0\0\0\0)", FRAMEWORK),
    (r"(\xfd7zXZ|BZh|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd)", "a packed file: unpack it first"),
    (r"model_checkpoint_path:", CHECKPOINT),
    (r"(%PDF|\x89PNG|\xff\xd8\xff|GIF8|\0\0\0.ftyp|RIFF|\x1aE\xdf\xa3)", "a document, picture or "
                                                                  "film: give the weights"),
    (r"SQLite format 3|PAR1|ARROW1", "a table or database, such as a sweep's store: give the "
                                     "agent's weights"),
    (r".{12}\t.{8}\x1a.brain\.Event", "a log of TensorBoard: give the weights that "
                                                    "lie beside it"),
    (r"(\x7fELF|MZ|#!)", "a program: give the weights that it saved"),
)  # fmt: skip
"""How a file begins, and what it is."""
ENDINGS: tuple[tuple[str, str], ...] = (
    (r"\.(data-\d+-of-\d+|index|meta)$", CHECKPOINT),
    (r"tfevents", "a log of TensorBoard: give the weights that lie beside it"),
    (r"\.(t7|caffemodel|pdparams|params|npx|ncnn|mnn|weights|plan|engine)$", FRAMEWORK),
)
"""How the name of a file ends that does not say itself what it is."""
FOLDERS: tuple[tuple[str, str], ...] = (
    (r"saved_model\.pb(txt)?|keras_metadata\.pb", SAVED_MODEL),
    (r".*\.data-\d+-of-\d+|.*\.index", CHECKPOINT),
    (
        r"_METADATA|_CHECKPOINT_METADATA|manifest\.ocdbt|checkpoint\.msgpack|.*\.orbax.*",
        f"a checkpoint of Orbax or Flax (JAX), which is not read: {CURE}",
    ),
    (r"rllib_checkpoint\.json|(algorithm|policy)_state\.(pkl|msgpck)", RLLIB),
    (r"Manifest\.json", COREML),
    (r".*\.xml", f"a model of OpenVINO, which is not read: {CURE}"),
    (r".*\.onnx", "an ONNX model: save the state_dict of the network that it was made of"),
    (r"group1-shard1of\d+\.bin", FRAMEWORK),
)
"""A file in a folder, and what the folder is."""
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
        if re.match(beginning, start, re.IGNORECASE | re.DOTALL):
            return what
    if data[-8:] == LEVELDB:
        return CHECKPOINT
    if data[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    return None


def kind_by_name(name: str) -> str | None:
    """What a file is by its name alone, where its bytes say nothing."""
    return next((what for ending, what in ENDINGS if re.search(ending, name)), None)


def kind_of_folder(names: Iterable[str]) -> str | None:
    """What a folder with these files is that no agent's is; None for what nobody would know."""
    known = list(names)
    found = (what for name, what in FOLDERS if any(re.fullmatch(name, n) for n in known))
    return next(found, None)


def beginning_of_text(data: bytes) -> str | None:
    """The first words of a text; None for what is none."""
    start = data[:512]
    try:
        text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    text = " ".join(text.split())
    return text[:40] if text.isprintable() and text else None
