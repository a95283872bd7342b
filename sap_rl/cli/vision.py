"""`sap-rl vision`: train classifiers, attack them, draw what came out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import given_options, printed_anyway, say, set_threads
from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.extras import PAGES, require
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.figures.files import save_figures
from sap_rl.reporting.figures.vision import vision_figure
from sap_rl.reporting.page.vision import vision_page
from sap_rl.reporting.tables.text import markdown
from sap_rl.reporting.tables.vision import classifier_report, figure_notes, figure_tables
from sap_rl.schema import keyed, read_fields
from sap_rl.settings.options import attack_group, read_option, read_whole
from sap_rl.vision.classifiers import find_classifier, load_classifier, read_card
from sap_rl.vision.data import Images, load_cifar10
from sap_rl.vision.evaluate import Attacked, ClassifierEvaluationRun
from sap_rl.vision.figures import DrawnLine, FigurePlan, FigureWork, plans
from sap_rl.vision.settings import ClassifierSettings, ClassifierTraining, classifier_training
from sap_rl.vision.train import ClassifierRun, Epoch

RUNS = Path("runs/vision")


def run_train(args: argparse.Namespace) -> int:
    """Train a classifier; a run that was killed goes on with --resume."""
    settings = classifier_training(given_options(args, keyed(ClassifierTraining)))
    set_threads(args.threads)
    folder = args.out_dir or RUNS / (args.config.stem if args.config else "resnet20")
    train, test = (load_cifar10(args.data, split) for split in ("train", "test"))
    seed = read_option("seed", args.seed)
    run = ClassifierRun(settings, train, test, folder, seed=seed, resume=args.resume)
    for event in run.run():
        if isinstance(event, Epoch):
            if not args.quiet:
                say(_told(event, settings.epochs), stderr=True)
        else:
            say(f"{event.folder}: {event.accuracy:.2f}% of {len(test):,} test images")
    return 0


def run_eval(args: argparse.Namespace) -> int:
    """Attack a classifier and print what is left; Ctrl-C prints what is known."""
    given = vars(args)
    options = {name: given[name] for name in keyed(ClassifierSettings) if name in given}
    known = attack_group()
    attacks = {k: o.parse(given[k]) for k, o in known.items() if k in given and k not in options}
    fields = read_fields(ClassifierSettings, options, "option")
    settings = ClassifierSettings(**fields, attack_options=attacks)
    set_threads(args.threads)
    if args.json:
        check_writable(args.json)
    folder = find_classifier(args.model)
    card = read_card(folder)
    run = ClassifierEvaluationRun(
        load_classifier(folder), _test_images(args, card), settings,
        model=str(args.model), sha256=card["weights"]["sha256"],
    )  # fmt: skip
    status = 0
    try:
        for event in run.run():
            if isinstance(event, Attacked) and not args.quiet:
                say(_attacked(event), stderr=True)
    except KeyboardInterrupt:
        status = INTERRUPTED_STATUS
    with printed_anyway(lambda: classifier_report(run.result())):
        if args.json and run.rows:
            write_atomically(args.json, run.result().to_json())
    return status


def run_figures(args: argparse.Namespace) -> int:
    """Compute what figures lack, then write tables, pictures and the page."""
    require(PAGES, "figures")
    chosen = plans(args.names)
    set_threads(args.threads)
    card = read_card(find_classifier(chosen[0].lines[0].model))
    work = FigureWork(chosen, _test_images(args, card), args.out_dir)
    for line, event in work.run():
        if isinstance(event, Attacked) and not args.quiet:
            say(f"{line.label}: {_attacked(event)}", stderr=True)
    drawn = [(plan, work.drawn(plan)) for plan in chosen]
    for plan, lines in drawn:
        _write_figure(args.out_dir, plan, lines)
    write_atomically(args.out_dir / "index.html", vision_page(drawn))
    say(str(args.out_dir / "index.html"))
    return 0


def _write_figure(folder: Path, plan: FigurePlan, drawn: tuple[DrawnLine, ...]) -> None:
    """What it says, its tables and its pictures; all but the pictures is printed too."""
    tables = "\n".join(map(markdown, figure_tables(plan, drawn)))
    text = "\n".join([f"## {plan.title}\n", *figure_notes(plan, drawn), "", tables])
    write_atomically(folder / f"{plan.name}.md", text)
    save_figures({plan.name: vision_figure(plan, drawn)}, folder)
    for line in text.splitlines():
        say(line)


def _test_images(args: argparse.Namespace, card: dict[str, Any]) -> Images:
    """The chosen test images, as the classifier was trained to take them."""
    images = load_cifar10(args.data, "test").first(read_whole("images", args.images))
    try:
        return images.centre(card["accuracy"]["side"])
    except MALFORMED as error:
        raise UsageError(f"its card states no side of images: {told_of(error)}") from error


def _attacked(event: Attacked) -> str:
    at = "" if event.lam is None else f" at lambda {event.lam:g}"
    return f"{event.done:,} of {event.images:,} images attacked{at}"


def _told(epoch: Epoch, epochs: int) -> str:
    return (
        f"epoch {epoch.number} of {epochs}: loss {epoch.loss:.3f}, {epoch.accuracy:.1f}% of "
        f"its batches, {epoch.test_accuracy:.2f}% of the test images, {epoch.seconds:.0f} s"
    )
