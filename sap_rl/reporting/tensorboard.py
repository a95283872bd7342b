"""An evaluation in TensorBoard; needs the extra `tensorboard`."""

from __future__ import annotations

from pathlib import Path

from sap_rl.errors import UsageError
from sap_rl.evaluation.evaluate import ArmEnded, Event
from sap_rl.evaluation.results import Evaluation
from sap_rl.reporting.plots import return_lambda_figure


class TensorBoardWriter:
    """Listens to an evaluation's events.

    Scalars `eval/<game>/<arm>/lambda_<x>/return` with the episode's index as step (arms that differ
    by victim are `defended-self`, `defended-original`); at the end the figure
    `eval/<game>/return_lambda`. Raises UsageError where the package is missing.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise UsageError("--tensorboard needs: pip install 'sap-rl[tensorboard]'") from error
        self.writer = SummaryWriter(str(folder))

    def __call__(self, event: Event) -> None:
        """Write the episodes of a finished arm."""
        if isinstance(event, ArmEnded):
            row = event.row
            tag = f"eval/{row.game}/{event.arm.title}/lambda_{row.lam:g}/return"
            for index, value in enumerate(row.returns):
                self.writer.add_scalar(tag, value, index)

    def close(self, evaluation: Evaluation) -> None:
        """Write the figure and flush."""
        if any(row.victim for row in evaluation.rows):
            tag = f"eval/{evaluation.config['game']}/return_lambda"
            self.writer.add_figure(tag, return_lambda_figure(evaluation))
        self.writer.close()
