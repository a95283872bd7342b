"""Whether a stopping rule is satisfied by an evaluation, and whether it has ended the play."""

from __future__ import annotations

from sap_rl.evaluation.results import Evaluation
from sap_rl.statistics.sequential import StoppingRule, look


def has_ended(evaluation: Evaluation, rule: StoppingRule) -> bool:
    """Whether nothing is left to play: every arm has its episodes, and they are the most or narrow.

    An evaluation that was interrupted in a later block stands in its store as the block before,
    complete but not ended.
    """
    if not evaluation.complete:
        return False
    return evaluation.settings.episodes >= rule.most or narrow_enough(evaluation, rule)


def narrow_enough(evaluation: Evaluation, rule: StoppingRule) -> bool:
    """Whether every agent's interval reaches at most the rule's width from its mean.

    Percent are of the clean original's mean return: at the floor no share of an arm's own mean is
    ever reached. The random policy does not count, nor does an arm whose returns are all equal,
    which has no interval.
    """
    clean = evaluation.row("original")
    assert clean is not None
    rows = [row for row in evaluation.rows if row.arm != "random" and len(set(row.returns)) > 1]
    return all(look(row.returns, rule, scale=clean.mean).narrow for row in rows)
