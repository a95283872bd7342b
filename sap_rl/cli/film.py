"""`sap-rl film`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sap_rl.cli.terminal import listen, load_players, say, set_threads
from sap_rl.files import check_writable, write_atomically
from sap_rl.film.file import check_film_path, film_bytes, film_caption, film_steps
from sap_rl.film.games import FilmedGames, Scene
from sap_rl.reporting.live.bars import FilmBar
from sap_rl.reporting.tables.evaluation import console
from sap_rl.settings.flags import add_flag
from sap_rl.settings.options import EVAL_OPTIONS, read_whole, read_yaml
from sap_rl.settings.requests import FILM_KEYS, film_request, read_seconds


def add_film(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sap-rl film`."""
    parser.set_defaults(run=run_film)
    for name in (*FILM_KEYS, "threads"):
        option = EVAL_OPTIONS[name]
        add_flag(parser, option, help=option.line.replace("[both]", "[own]"))
    parser.add_argument("--config", type=Path, help="YAML with these options; flags win over it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".mp4 or .gif")
    parser.add_argument(
        "--seconds", default=20, help="length, at half the speed of the console [20]"
    )
    parser.add_argument("--episode", default=0, help="which of the seed's games [0]")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the caption")


def run_film(args: argparse.Namespace) -> int:
    """Play two games, draw them, write the file and say what it shows."""
    check_film_path(args.out)
    check_writable(args.out)
    seconds = read_seconds(args.seconds)
    options = read_yaml(args.config) if args.config else {}
    options |= {name: vars(args)[name] for name in (*FILM_KEYS, "threads") if name in args}
    set_threads(options.get("threads"))
    request = film_request(options)
    agent, other = load_players(request)
    steps = film_steps(seconds, agent.preprocess.frameskip / 60)
    filmed = FilmedGames(agent, request.settings, steps, read_whole("episode", args.episode), other)
    scenes: list[Scene] = []
    bar = FilmBar(steps, console(stderr=True, quiet=args.quiet))
    with bar:
        listen(filmed.play(), [scenes.append, bar])
    write_atomically(args.out, film_bytes(scenes, filmed.facts, args.out.suffix))
    console().print(film_caption(scenes, filmed.facts))
    say(f"{args.out}: {args.out.stat().st_size:,} bytes")
    return 0
