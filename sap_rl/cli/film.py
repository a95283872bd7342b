"""`sap-rl film`."""

from __future__ import annotations

import argparse

from sap_rl.cli.terminal import Listeners, given_options, load_players, say, set_threads
from sap_rl.files import check_writable, write_atomically
from sap_rl.film.file import check_film_path, film_bytes, film_caption, film_steps
from sap_rl.film.games import FilmedGames, Scene
from sap_rl.reporting.live.bars import FilmBar
from sap_rl.reporting.tables.evaluation import console
from sap_rl.settings.options import eval_options, read_whole
from sap_rl.settings.requests import film_request, read_seconds


def run_film(args: argparse.Namespace) -> int:
    """Play two games, draw them, write the file and say what it shows."""
    check_film_path(args.out)
    check_writable(args.out)
    seconds = read_seconds(args.seconds)
    options = given_options(args, eval_options())
    set_threads(options.get("threads"))
    request = film_request(options)
    agent, other = load_players(request)
    steps = film_steps(seconds, agent.preprocess.frameskip / 60)
    filmed = FilmedGames(agent, request.settings, steps, read_whole("episode", args.episode), other)
    scenes: list[Scene] = []
    bar = FilmBar(steps, console(stderr=True, quiet=args.quiet))
    listeners = Listeners(scenes.append, bar)
    with bar:
        listeners.hear(filmed.play())
    write_atomically(args.out, film_bytes(scenes, filmed.facts, args.out.suffix))
    console().print(film_caption(scenes, filmed.facts))
    say(f"{args.out}: {args.out.stat().st_size:,} bytes")
    return listeners.told(0)
