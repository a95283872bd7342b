"""Make the pictures of docs/images anew, with the commands that the pages show.

    python scripts/pictures.py                     all but those that take hours
    python scripts/pictures.py film.png            these, however long they take
    python scripts/pictures.py --list              what each needs

Needs `pip install 'sap-rl[report,tensorboard]'`, and for pictures of pages Chromium
(`apt-get install chromium`). Sweeps of hours go on from the stores in --stores, `runs` by default:
with a complete one a picture takes seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
BOARD_SECONDS = 120
"""At most, until TensorBoard has read the runs."""
DRAWING_SECONDS = 20
"""Of a page's own clock, for what it fetches and draws."""


@dataclass(frozen=True)
class Picture:
    """How a picture is made: commands, one after the other, in an empty folder.

    made: the file there that is it, or of whose film the last frame is; a page or the address of a
    board of which the top is shown, `size` pixels wide and high. hours: how many, in words.
    """

    commands: tuple[str, ...]
    made: str
    size: tuple[int, int] = (0, 0)
    hours: str = ""

    @property
    def needs(self) -> str:
        """What it takes, in words."""
        takes = [self.hours or "minutes", *(["Chromium"] if self.size[0] else [])]
        return f"{', '.join(takes)}: {'; '.join(self.commands) or self.made}"


EVALS = tuple(
    f"sap-rl eval --game {game} --lambda 0.25 1 4 --episodes 4 --max-frames 3000 --json {game}.json"
    for game in ("BankHeist", "Assault")
)
PICTURES = {
    "attacked.gif": Picture(
        ("sap-rl film --game BankHeist --lambda 1 --defense agent:BankHeist-hardened --seconds 24 "
         "--out attacked.gif",),
        "attacked.gif",
    ),
    "film.png": Picture(
        ("sap-rl film --game BankHeist --lambda 1 --defense sap-100 --seconds 14.8 "
         "--out film.gif",),
        "film.gif",
    ),
    "return.png": Picture(
        (*EVALS, "sap-rl plot BankHeist.json Assault.json --out-dir figures"), "figures/return.png"
    ),
    "radius.png": Picture(
        ("sap-rl certify --game BankHeist --agent BankHeist-certified --lambda 1 "
         "--attack-frames 64 --plot radius.png",),
        "radius.png",
    ),
    "hardened.png": Picture(
        ("sap-rl sweep hardened --out STORES/hardened.sqlite",
         "sap-rl plot STORES/hardened.sqlite --out-dir figures"),
        "figures/return.png", hours="hours",
    ),
    "paper_change.png": Picture(
        ("sap-rl sweep paper_table --out STORES/paper_table.sqlite",
         "sap-rl plot STORES/paper_table.sqlite --out-dir figures"),
        "figures/change.png", hours="half an hour to 90 minutes of a core per game",
    ),
    "report.png": Picture((), "docs/paper_table.html", (1280, 1975)),
    "tensorboard.png": Picture(
        ("sap-rl sweep small.yaml --workers 1 --tensorboard board",), "board#images", (1280, 820)
    ),
}  # fmt: skip
SMALL = """\
game: BankHeist
lambda: [0.25, 1]
defense: [agent:BankHeist-hardened]
attack: fgsm
victim: own
controls: false
episodes: 2
max_frames: 1500
"""
"""The sweep of TensorBoard's picture: `small.yaml`."""


def make(picture: Picture, to: Path, stores: Path) -> None:
    """Make one picture; CalledProcessError where a command fails, FileNotFoundError where nothing
    came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "small.yaml").write_text(SMALL)
        stores.mkdir(parents=True, exist_ok=True)
        for command in picture.commands:
            said = command.replace("STORES", shlex.quote(str(stores.resolve())))
            words = shlex.split(said.replace("sap-rl", "-m sap_rl", 1))
            subprocess.run([sys.executable, *words], cwd=folder, check=True)
        to.parent.mkdir(parents=True, exist_ok=True)
        if not picture.size[0]:
            take(folder / picture.made, to)
        elif picture.made.endswith(".html"):
            screenshot((ROOT / picture.made).as_uri(), to, picture.size)
        else:
            place, _, view = picture.made.partition("#")
            with board(folder / place) as address:
                screenshot(f"{address}/#{view}", to, picture.size)


def take(made: Path, to: Path) -> None:
    """Copy a picture; of a film the last frame, where the picture is none."""
    if made.suffix == to.suffix:
        shutil.copyfile(made, to)
        return
    from PIL import Image

    with Image.open(made) as film:
        film.seek(film.n_frames - 1)  # type: ignore[attr-defined]
        film.convert("RGB").save(to, optimize=True)


def screenshot(address: str, to: Path, size: tuple[int, int]) -> None:
    """Let Chromium draw the top of a page."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise FileNotFoundError("no Chromium: apt-get install chromium")
    subprocess.run(
        [found, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--window-size={size[0]},{size[1]}", f"--virtual-time-budget={DRAWING_SECONDS * 1000}",
         f"--screenshot={to.resolve()}", address],
        check=True, capture_output=True,
    )  # fmt: skip


@contextlib.contextmanager
def board(folder: Path) -> Iterator[str]:
    """The address of a TensorBoard that shows a folder while the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder.name, "--port"]
    server = subprocess.Popen([*command, str(port)], cwd=folder.parent, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + BOARD_SECONDS
        while not has_runs(address) and time.monotonic() < ends:
            time.sleep(1)
        yield address
    finally:
        server.terminate()
        server.wait()


def has_runs(address: str) -> bool:
    """Whether a TensorBoard answers and has read a run."""
    try:
        with urllib.request.urlopen(f"{address}/data/runs", timeout=10) as answer:
            return answer.read().strip() != b"[]"
    except OSError:
        return False


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pictures that were named, or all that take minutes; status 2 for another name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--list", action="store_true", help="say what each needs, and end")
    parser.add_argument("--stores", type=Path, default=ROOT / "runs", metavar="DIR")
    parser.add_argument("--to", type=Path, default=IMAGES, metavar="DIR", help="[docs/images]")
    args = parser.parse_args(argv)
    for name in args.names:
        if name not in PICTURES:
            parser.error(f"unknown picture '{name}'; choose from {', '.join(PICTURES)}")
    for name in args.names or [name for name in PICTURES if args.list or not PICTURES[name].hours]:
        print(f"{name}: {PICTURES[name].needs}", flush=True)
        if not args.list:
            make(PICTURES[name], args.to / name, args.stores)
    return 0


if __name__ == "__main__":
    sys.exit(main())
