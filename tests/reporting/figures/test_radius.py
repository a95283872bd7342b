"""How far the certified lambdas reach, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sap_rl import CertifySettings, Preprocess
from sap_rl.certification.results import Certificate
from sap_rl.evaluation.facts import AgentFacts, Made
from sap_rl.reporting.figures.radius import radius_figure

pytest.importorskip("matplotlib")


def test_a_curve_is_the_share_that_is_certified_up_to_there() -> None:
    """Of four frames one reaches 0.5, two reach 1, one reaches 2."""
    radius = {"clean": (1.0, 0.5, 2.0, 1.0), "attacked": (0.0, 0.0)}
    about = AgentFacts("Small", None, Preprocess(), "cpu", 1)
    found = Certificate(CertifySettings("BankHeist"), about, Made({}), (), radius)
    axes = radius_figure(found).axes[0]
    clean, attacked = (np.array(line.get_data()).T for line in axes.lines)
    share = {float(lam): kept for lam, kept in clean}
    assert (share[0.5], share[2.0], share[8.0]) == (1.0, 0.25, 0.0)
    assert axes.lines[0].get_drawstyle() == "steps-pre"
    assert [kept for lam, kept in clean if lam == 1.0] == [0.75, 0.5]
    assert attacked[-1].tolist() == [8.0, 0.0]
    assert axes.get_xlim() == pytest.approx((0, 2.2))
