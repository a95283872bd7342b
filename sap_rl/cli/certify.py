"""`sap-rl certify`."""

from __future__ import annotations

import argparse

from sap_rl.agents import load_agent
from sap_rl.certification.run import Certification
from sap_rl.certification.settings import CertifySettings
from sap_rl.cli.status import INTERRUPTED_STATUS
from sap_rl.cli.terminal import given_loading, printed_anyway, set_threads
from sap_rl.errors import UsageError
from sap_rl.files import check_writable, write_atomically
from sap_rl.reporting.figures.files import check_figure_path, save_figure
from sap_rl.reporting.figures.radius import radius_figure
from sap_rl.reporting.live.bars import FramesBar
from sap_rl.reporting.tables.certificate import certificate_report
from sap_rl.reporting.tables.evaluation import console
from sap_rl.schema import keyed, read_options
from sap_rl.settings.options import defense_group


def run_certify(args: argparse.Namespace) -> int:
    """Bound the actions and print the shares; Ctrl-C prints what is known."""
    known = keyed(CertifySettings)
    options = read_options({key: vars(args)[key] for key in known if key in args}, known)
    group = defense_group()
    more = read_options({key: vars(args)[key] for key in group if key in args}, group)
    if more and not args.defense:
        raise UsageError(f"{next(iter(more))} belongs to a defence: say --defense noise-vote-8")
    if args.plot:
        check_figure_path(args.plot)
        options["radius"] = True
    settings = CertifySettings(**{known[key].name: value for key, value in options.items()})
    set_threads(args.threads)
    if args.json:
        check_writable(args.json)
    agent = load_agent(args.agent or settings.game, device=args.device, **given_loading(args))
    if args.defense:
        agent = agent.defend(args.defense, **more)
    run = Certification(agent, settings)
    status = 0
    bar = FramesBar(run.total, console(stderr=True, quiet=args.quiet))
    with bar:
        try:
            for event in run.run():
                bar(event)
        except KeyboardInterrupt:
            status = INTERRUPTED_STATUS
    found = run.result()
    with printed_anyway(lambda: certificate_report(found)):
        if args.json and found.rows:
            write_atomically(args.json, found.to_json())
        if args.plot and found.radius:
            save_figure(radius_figure(found), args.plot)
    return status
