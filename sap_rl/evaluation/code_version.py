"""Which code made a result: a fingerprint of what plays, not of what judges or prints."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "sap_rl"
PLAYS = (
    "sap_rl.play.arm_games",
    "sap_rl.play.frames",
    "sap_rl.play.defended_player",
)
"""What plays an arm, records frames for `universal` and casts the defended player; everything that
these import decides what is played."""
AUDITS = (*PLAYS, "sap_rl.audit.workshop")
"""What makes the cells of an audit; those hold intervals, so their modules count here."""


@functools.cache
def code_version(roots: tuple[str, ...] = PLAYS) -> str:
    """16 digits that change with every module that playing an arm runs through.

    roots: what plays, by module. Comments, docstrings and formatting do not count; intervals and
    flags of arms are computed when a result is read, so their modules do not count either.
    """
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256()
    for name, file in sorted(modules_behind(roots, root).items()):
        digest.update(f"{name}\n{meaning(file.read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()[:16]


def meaning(source: str) -> str:
    """A module's syntax tree as text, without docstrings and comments."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(tree)


def modules_behind(names: tuple[str, ...], root: Path) -> dict[str, Path]:
    """Every module of the package that importing these runs, by name; root: the package's folder.

    The package's own page, which imports everything for the user's convenience, is not followed.
    """
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        module = waiting.pop()
        file = _file_of(module, root)
        if file is None or module in found or module == PACKAGE:
            continue
        found[module] = file
        waiting.append(module.rpartition(".")[0])
        waiting += _imports(ast.parse(file.read_text(encoding="utf-8")))
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(module: str, root: Path) -> Path | None:
    place = root.joinpath(*module.split("."))
    options = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in options if file.is_file()), None)


def _is_text(node: ast.stmt) -> bool:
    """A string that stands alone: a docstring, also that of a constant."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return False
    return isinstance(node.value.value, str)
