"""Torch's pickles, looked through before torch builds anything of them.

What they hold besides tensors and plain values becomes an empty `Stub`; none of its code is found.
"""

from __future__ import annotations

import io
import pickletools
import sys
import warnings
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from typing import Any

import torch

MAX_OPERATIONS = 250_000
"""The most steps of a pickle; a state_dict's has about forty a tensor."""
MAX_SIZE = 500_000
"""The most values in one object of a pickle, each counted as often as it stands there."""
MAX_DEPTH = 64
"""The most objects inside objects."""
MAX_INTEGER = 2**64
MAX_LARGE = 64
"""How many numbers may be larger: many can be made to collide in a dict, but a generator's state
has a few."""
MAX_PICKLE_BYTES = 2**20
"""The most that the pickle in a torch archive may take; a state_dict's has a few kilobytes."""
LEGACY_PICKLES = 5
"""How many pickles torch's older format begins with; the tensors' bytes follow."""


class BrokenPickle(ValueError):  # noqa: N818 (it names what was found)
    """Raised for what is no pickle of torch's, or goes beyond the bounds."""


class ForeignCall(ValueError):  # noqa: N818
    """Raised for a pickle that would call what is neither torch's nor harmless; it says what."""


class Stub:
    """Stands for an object that was saved beside the weights; state: its attributes, if plain."""

    state: Any = None

    def __new__(cls, *_args: Any, **_options: Any) -> Stub:
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


HARMLESS = {
    "argparse.Namespace", "collections.ChainMap", "collections.UserDict", "copyreg._reconstructor",
    "datetime.date", "datetime.datetime", "datetime.timedelta",
    "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "pathlib.Path",
    "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath", "re._compile",
    "types.SimpleNamespace",
    "uuid.UUID",
}  # fmt: skip
"""Of Python's own library, what may stand beside weights; nothing else of it is passed over."""
BUILTINS = {"bool", "bytes", "complex", "dict", "float", "frozenset", "getattr", "int",
            "list", "object", "range", "slice", "str", "tuple"}  # fmt: skip
"""Of Python's own names; a static method is saved as the `getattr` of its class. bytearray is none
of them: torch would make one of any size that a file asks for."""
MODULES = ("torch.nn.", "torch.optim.", "torch.distributions.")
"""Parts of torch whose objects are passed over like another project's."""


def load_pickle(data: bytes) -> tuple[Any, list[str]]:
    """What `torch.load` makes of a file without calling anything that it names, and the names of
    the classes whose objects are stubs.

    Raises BrokenPickle and ForeignCall.
    """
    foreign = list(dict.fromkeys(name for pickle in _pickles(data) for name in _names(pickle)))
    stubs = {name: stub for name in foreign if (stub := _stub(name)) is not None}
    for name in foreign:
        if name not in stubs and not _left_to_torch(name):
            raise ForeignCall(name)
    try:
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals([(stub, name) for name, stub in stubs.items()]),
        ):
            warnings.simplefilter("ignore")  # of old pickle protocols and storages
            loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a made-up file may provoke
        for name in foreign:
            if not _plain(name):
                raise ForeignCall(name) from None
        raise BrokenPickle(type(error).__name__) from None
    return loaded, [name for name, stub in stubs.items() if stub is Stub]


def _stub(name: str) -> Callable[..., Any] | None:
    """What stands for a name; None for what torch knows, and for what is refused."""
    module, _, kind = name.rpartition(".")
    if name == "collections.deque":
        return _list
    if name == "collections.defaultdict":
        return _dict
    if name in HARMLESS or (module == "builtins" and kind in BUILTINS):
        return Stub
    if name.startswith(MODULES):
        return None if name.startswith("torch.nn.parameter.") else Stub
    package = name.partition(".")[0]
    own = package in sys.stdlib_module_names or package in ("torch", *IMPORT_MAPPING)
    return Stub if not own or package == "__main__" else None


def _list(*_args: Any) -> list[Any]:
    return []


def _dict(*_args: Any) -> dict[Any, Any]:
    return {}


def _plain(name: str) -> bool:
    """Whether a name is one of those in any state_dict."""
    return name.rpartition(".")[0] in (
        "torch", "torch._utils", "torch._tensor", "torch.serialization", "torch.nn.parameter",
        "torch.storage", "collections",
    )  # fmt: skip


def _left_to_torch(name: str) -> bool:
    """Whether torch's own list decides about a name."""
    return name.startswith("torch.") or name in ("collections.OrderedDict", "collections.Counter",
                                                 "_codecs.encode", "builtins.set")  # fmt: skip


def _pickles(data: bytes) -> Iterator[io.BytesIO]:
    """The pickles that torch would read, each at its beginning."""
    if data[:2] != b"PK":
        stream = io.BytesIO(data)
        for _ in range(LEGACY_PICKLES):
            if stream.tell() < len(data):
                yield stream
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith("data.pkl")]
            # By place: two may have one name.
            found = [archive.open(member).read(MAX_PICKLE_BYTES) for member in members]
    except Exception as error:  # zipfile lets struct.error, zlib.error and more through
        raise BrokenPickle(f"a damaged archive ({type(error).__name__})") from None
    yield from map(io.BytesIO, found)


def _names(stream: io.BytesIO) -> Iterator[str]:
    """Names in a pickle, `module.function`; BrokenPickle where building it has no bound."""
    machine = _Machine()
    words: list[str] = []
    try:
        for opcode, arg, _ in pickletools.genops(stream):
            if opcode.name in ("GLOBAL", "INST"):
                yield _today(*str(arg).split(" ", 1))
            elif opcode.name == "STACK_GLOBAL" and len(words) == 2:
                yield _today(*words)
            elif isinstance(arg, str):
                words = [*words[-1:], arg]
            machine.step(opcode, arg)
    except BrokenPickle:
        raise
    except Exception as error:
        raise BrokenPickle(
            f"a pickle that is cut off or damaged ({type(error).__name__})"
        ) from None


def _today(module: str, name: str) -> str:
    """`module.name` as Python 3 calls it: pickles of torch's protocol name what Python 2 had."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


class _Machine:
    """Counts what a pickle would build: for each object on its stack the values in it, seen as a
    tree, and how deep they are."""

    def __init__(self) -> None:
        self.stack: list[list[int] | None] = []  # None is a mark
        self.memo: dict[Any, list[int] | None] = {}
        self.steps = self.large = 0

    def step(self, opcode: pickletools.OpcodeInfo, arg: Any) -> None:
        """Do one step; BrokenPickle beyond the bounds, IndexError and KeyError for nonsense."""
        self.steps += 1
        if self.steps > MAX_OPERATIONS:
            raise BrokenPickle(f"a pickle of more than {MAX_OPERATIONS} steps")
        self.large += isinstance(arg, int) and abs(arg) > MAX_INTEGER
        if self.large > MAX_LARGE:
            raise BrokenPickle(f"a pickle with more than {MAX_LARGE} numbers beyond 64 bits")
        name = opcode.name
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if arg is None else arg] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[arg])
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name == "MARK":
            self.stack.append(None)
        elif arg is not None and not opcode.stack_before and opcode.stack_after:
            self.stack.append(_ATOM)
        else:
            self._build(opcode)

    def _build(self, opcode: pickletools.OpcodeInfo) -> None:
        parts = self._taken(opcode.stack_before)
        changed = parts.pop(0) if opcode.name in _CHANGING else [1, 0]
        size = changed[0] + sum(part[0] for part in parts)
        depth = max(changed[1], *(part[1] + 1 for part in parts), 0)
        if size > MAX_SIZE or depth > MAX_DEPTH:
            raise BrokenPickle(f"a pickle of more than {MAX_SIZE} values or {MAX_DEPTH} levels")
        changed = [size, depth] if changed is _ATOM else changed
        changed[:] = size, depth
        self.stack += [changed] * len(opcode.stack_after)

    def _taken(self, before: list[pickletools.StackObject]) -> list[list[int]]:
        """The operands of an operation, the lowest first, taken from the stack."""
        taken: list[list[int]] = []
        if pickletools.markobject in before:
            while (part := self.stack.pop()) is not None:
                taken.append(part)
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            part = self.stack.pop()
            taken += [] if part is None else [part]
        return taken[::-1]


_ATOM = [1, 0]
"""Every number, text and name; nothing is put into one."""
_CHANGING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
