"""Run the code blocks of README.md and docs/ with the installed sap_rl and compare what they print.

    python scripts/run_blocks.py                        those that need no extra
    python scripts/run_blocks.py --with sb3 report      those that need one of these, and no other
    python scripts/run_blocks.py --write docs/options.md     put into the pages what is printed now
    python scripts/run_blocks.py --printed FILE docs/first_table.md    only compare its first output

A block of `sh` or `python` is run, and the block without a language below it is what it prints.
Comments before a block say otherwise:

    <!-- not run: why -->
    <!-- run only: why -->                          what it prints is not compared
    <!-- run with: sb3 -->                          needs this extra
    <!-- run smaller: OLD => NEW; OLD => NEW -->    with other words; what it prints is not compared

Every page is run in an empty folder of its own, its Python blocks in one namespace. Times are not
compared, and a line `...` stands for any lines. On another kind of machine than the one that
docs/machine.json names, games go other ways: there a difference is told and is no failure. That
file is written where `--write` has run all pages and nothing is left to correct.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MACHINE = ROOT / "docs" / "machine.json"
LANGUAGES = ("python", "sh")
FENCE = re.compile(r"^```(.*)$")
MARK = re.compile(r"^<!-- (not run|run only|run with|run smaller): (.+) -->$")


@dataclass
class Block:
    """A block of code; line: of its first code line, from 1; marks: what comments before it say;
    printed: lines of the block below it, None where there is none; at: where these stand in the
    page, from 0."""

    language: str
    line: int
    code: str
    marks: dict[str, str] = field(default_factory=dict)
    printed: list[str] | None = None
    at: tuple[int, int] = (0, 0)

    @property
    def compared(self) -> bool:
        """Whether what it prints is known."""
        return self.printed is not None and not {"run only", "run smaller"} & self.marks.keys()

    @property
    def extras(self) -> set[str]:
        """Extras of the package that it needs."""
        return set(self.marks.get("run with", "").replace(",", " ").split())

    def smaller(self) -> str:
        """The code as it is run; ValueError where a word to be replaced is not in it."""
        code = self.code
        for swap in filter(None, self.marks.get("run smaller", "").split("; ")):
            old, _, new = swap.partition(" => ")
            if old not in code:
                raise ValueError(f"there is no {old!r} to be replaced")
            code = code.replace(old, new)
        return code


def blocks(text: str) -> list[Block]:
    """The blocks of code of a page, each with what it says that it prints."""
    lines, found, marks = text.split("\n"), [], {}
    at = 0
    while at < len(lines):
        fence, mark = FENCE.match(lines[at]), MARK.match(lines[at])
        if mark:
            marks[mark[1]] = mark[2]
        elif not fence and lines[at].strip():
            marks = {}
        if fence:
            end = lines.index("```", at + 1)
            body = lines[at + 1 : end]
            if fence[1] in LANGUAGES:
                found.append(Block(fence[1], at + 2, "\n".join(body), marks))
            elif not fence[1] and found and _follows(lines, found[-1], at):
                found[-1].printed, found[-1].at = body, (at + 1, end)
            at, marks = end, {}
        at += 1
    return found


def _follows(lines: Sequence[str], block: Block, at: int) -> bool:
    """Whether nothing but empty lines stands between a block and the line `at`."""
    after = block.line + block.code.count("\n") + 1
    return not any(line.strip() for line in lines[after:at])


def masked(lines: Sequence[str]) -> list[str]:
    """Lines without times, sizes and widths of columns."""
    found, timed = [], False
    for line in lines:
        words = line.split()
        timed = words[-2:] == ["s", "steps/s"] or (timed and len(words) > 2)
        if timed and words[-1].isdigit() and words[-2].isdigit():
            words[-2:] = ["#", "#"]
        found.append(re.sub(r"\b\d[\d.,]* (s|seconds|minutes|bytes)\b", r"# \1", " ".join(words)))
    return found


def same(said: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether lines are as a page says, whose lines `...` stand for any."""
    pieces = "\n".join(masked(said)).split("\n...")
    pattern = r"(\n.*)*".join(re.escape(piece) for piece in pieces)
    return re.fullmatch(pattern, "\n".join(masked(printed))) is not None


def run(block: Block, names: dict[str, Any]) -> list[str]:
    """What a block prints, line by line; SystemExit with the reason where it fails."""
    code = block.smaller()
    if block.language == "sh":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"status {done.returncode}\n{done.stdout}{done.stderr}")
        printed = done.stdout
    else:
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(code, f"<block at line {block.line}>", "exec"), names)
        except Exception:
            raise SystemExit(traceback.format_exc()) from None
        printed = out.getvalue()
    return [line.rstrip() for line in printed.rstrip().split("\n")]


def run_page(page: Path, extras: set[str], *, write: bool = False) -> list[str]:
    """Run the blocks of a page that need an extra of these, those that need none without; what is
    wrong with them, each with its place."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found, outputs, here = [], [], Path.cwd()
    in_page = blocks(page.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for block in in_page:
            needs = block.extras
            if "not run" in block.marks or bool(needs) != bool(extras) or not needs <= extras:
                continue
            begun = time.perf_counter()
            try:
                printed = run(block, names)
            except (SystemExit, ValueError) as error:
                found.append(f"{page}:{block.line} fails: {error}")
                continue
            print(f"{page.name}:{block.line} {time.perf_counter() - begun:.1f} s", flush=True)
            if block.compared:
                outputs.append((block, printed))
        os.chdir(here)
    return found + compared(page, outputs, write=write)


def compared(page: Path, outputs: Sequence[tuple[Block, list[str]]], *, write: bool) -> list[str]:
    """What a page says otherwise than was printed; write: it is corrected, but where it has `...`
    before its last line."""
    lines, found = page.read_text(encoding="utf-8").split("\n"), []
    for block, printed in reversed(outputs):  # from below: a place is right until it is reached
        said = block.printed or []
        if same(said, printed):
            continue
        if write and "..." not in said[:-1]:
            cut = [*printed[: len(said) - 1], "..."]
            lines[slice(*block.at)] = cut if said[-1:] == ["..."] else printed
        else:
            found.append(f"{page}:{block.line} prints something else:\n" + "\n".join(printed))
    if write:
        page.write_text("\n".join(lines), encoding="utf-8")
    return found[::-1]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the code blocks of README.md and docs/.")
    parser.add_argument("pages", nargs="*", type=Path, help="[README.md and docs/]")
    parser.add_argument("--with", dest="extras", nargs="+", default=[], metavar="EXTRA")
    parser.add_argument("--printed", type=Path, metavar="FILE", help="what was printed elsewhere")
    parser.add_argument("--write", action="store_true", help="correct what pages say is printed")
    args = parser.parse_args(argv)
    pages = args.pages or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    machine = runpy.run_path(str(ROOT / "tests" / "compat" / "machine.py"))["machine"]()
    wrong = []
    for page in pages:
        if args.printed is None:
            wrong += run_page(page, set(args.extras), write=args.write)
        else:
            first = next(b for b in blocks(page.read_text(encoding="utf-8")) if b.printed)
            text = args.printed.read_text(encoding="utf-8").rstrip()
            printed = [line.rstrip() for line in text.split("\n")]
            wrong += compared(page, [(first, printed)], write=args.write)
    if args.write and not args.pages and not wrong:
        MACHINE.write_text(json.dumps(machine, indent=2) + "\n", encoding="utf-8")
    print("\n".join(wrong))
    alike = json.loads(MACHINE.read_text(encoding="utf-8")) == machine
    return int(any(alike or " fails: " in line.split("\n")[0] for line in wrong))


if __name__ == "__main__":
    sys.exit(main())
