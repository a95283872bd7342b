"""Can this number be trusted? One function per symptom; each gives a finding or None.

Most symptoms of a gradient that misleads are those of Athalye et al. 2018 (arXiv 1802.00420,
section 3.1) and Carlini et al. 2019 (arXiv 1902.06705). Damage is what an attack does, larger for
stronger ones: per frame (margin lost) or per episode (minus the return). Two attacks are compared
on the same frames or episodes, in pairs; "clearly" is one-sided, at 99%, by the paired mean
difference over its standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sap_rl.attacks.adversary import IDLE_SHARE
from sap_rl.evaluation.comparison import (
    Damage,
    Finding,
    Unit,
    clearly_above,
    mean_of,
    round_up,
    shown,
)

REPEATED_SHARE = 0.9
KEPT_SHARE = 0.1
LOST_SHARE = 0.05
ENOUGH = 10
"""Episodes below which an agent that plays like chance may well be better."""
STEP_FACTOR = 0.05
"""Share of the damage below which a change by more passes does not matter, however certain."""


def zero_gradients(idle: float, *, where: str) -> Finding | None:
    """The gradient is 0 for many pixels; idle: share of the movable pixels that it left alone."""
    if idle <= IDLE_SHARE:
        return None
    return Finding(
        "zero_gradients",
        where,
        f"{idle:.0%} of the movable pixels had no gradient at all",
        "use the margin objective, a higher temperature or the identity backward, and attack "
        "without gradients (square)",
    )


def noise_as_strong(
    attack: Damage, noise: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """Random signs of the same budget do as much."""
    if clearly_above(attack, noise):
        return None
    return Finding(
        "noise_as_strong",
        where,
        f"{unit}: the attack {shown(attack, unit)}, random signs {shown(noise, unit)}",
        "the gradient does not help here: use a stronger attack, or a larger lambda if even the "
        "strongest does nothing",
    )


def one_step_stronger(
    one_step: Damage, iterative: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """One step does more than many with the same objective, victim and backward mode."""
    if not clearly_above(one_step, iterative):
        return None
    return Finding(
        "one_step_stronger",
        where,
        f"{unit}: one step {shown(one_step, unit)}, many {shown(iterative, unit)}",
        "local gradients mislead: use more gradient samples, other step sizes, restarts or the "
        "identity backward",
    )


def transfer_stronger(
    white_box: Damage, transfer: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """Another network's gradient does more than the player's own."""
    if not clearly_above(transfer, white_box):
        return None
    return Finding(
        "transfer_stronger",
        where,
        f"{unit}: own gradient {shown(white_box, unit)}, another network's {shown(transfer, unit)}",
        "the own gradient is masked: believe the transfer attack, and try more gradient samples "
        "and the identity backward",
    )


def more_samples_matter(
    few: Damage, many: Damage, *, where: str, passes: str, unit: Unit = "margin lost"
) -> Finding | None:
    """The same attack with more passes per gradient does more: its gradient had not converged."""
    gain = float(np.mean(many)) - float(np.mean(few))
    if not clearly_above(many, few) or gain <= STEP_FACTOR * abs(float(np.mean(few))):
        return None
    return Finding(
        "more_samples_matter",
        where,
        f"{unit}: {shown(few, unit)} and {shown(many, unit)} with {passes} passes per gradient",
        "raise --grad-samples until the answer stays",
    )


def return_rises(
    returns: Sequence[tuple[float, Damage]], *, where: str
) -> Finding | None:  # fmt: skip
    """A larger budget leaves clearly more reward; returns: (lambda, returns [E]) of one attack."""
    ordered = sorted(returns, key=lambda pair: pair[0])
    for i, (low, before) in enumerate(ordered):
        for high, after in ordered[i + 1 :]:
            if clearly_above(after, before):
                return Finding(
                    "return_rises",
                    where,
                    f"the return is {mean_of(before)} at lambda {low:g} and {mean_of(after)} at "
                    f"{high:g}",
                    "a larger budget contains the smaller one: the attack fails at the larger; "
                    "use an iterative one with restarts",
                )
    return None


def unbounded_survived(kept: float, *, where: str) -> Finding | None:
    """Actions stay although every pixel may take any value; kept: share of actions that stay."""
    if kept <= KEPT_SHARE:
        return None
    return Finding(
        "unbounded_survived",
        where,
        f"{kept:.0%} of the actions stay with a budget of 255 pixels",
        "an attacker who may paint any frame must win: the attack is broken, the defence "
        "unproven; nothing below that budget can be believed",
    )


def floor_not_reached(
    lam: float, returns: Damage, floor: Damage, *, where: str
) -> Finding | None:  # fmt: skip
    """The return stays above the random policy's at a lambda that may paint any frame."""
    if lam < 255 or not clearly_above(returns, floor):
        return None
    return Finding(
        "floor_not_reached",
        where,
        f"the return is {mean_of(returns)} at lambda {lam:g}, the random policy's {mean_of(floor)}",
        "an attacker who may paint any frame must win: the attack is broken, the defence unproven",
    )


def no_better_than_random(
    returns: Damage, floor: Damage, *, where: str
) -> Finding | None:  # fmt: skip
    """The undefended agent, not attacked, is not clearly above random play."""
    if len(returns) < ENOUGH or clearly_above(returns, floor):
        return None
    return Finding(
        "no_better_than_random",
        where,
        f"the return is {mean_of(returns)} without any attack, the random policy's "
        f"{mean_of(floor)}",
        "likely its frames or actions are not those it was trained on: their scale, their order, "
        "the action set, sticky actions, or another game (sap-rl agents check tries them)",
    )


def black_box_stronger(
    white_box: Damage, black_box: Damage, *, where: str, unit: Unit = "margin lost"
) -> Finding | None:
    """A search without gradients does more than the gradient."""
    if not clearly_above(black_box, white_box):
        return None
    return Finding(
        "black_box_stronger",
        where,
        f"{unit}: own gradient {shown(white_box, unit)}, a search without gradients "
        f"{shown(black_box, unit)}",
        "the gradient is masked: believe the search, and give it more steps",
    )


def success_not_repeated(
    first: np.ndarray, again: np.ndarray, *, where: str
) -> Finding | None:  # fmt: skip
    """Not every changed action changes again; first, again [N]: by two draws of a random player."""
    if not first.any():
        return None
    repeated = float(again[first].mean())
    if repeated >= REPEATED_SHARE:
        return None
    return Finding(
        "success_not_repeated",
        where,
        f"of the frames on which one draw changes the action, {repeated:.0%} do so again",
        "never count the best of several draws: quote means over fresh ones, as this table does",
    )


def budget_lost(lam: float, linf_mean: float, *, where: str) -> Finding | None:
    """Rounding to uint8 took part of the budget; linf_mean: distance in pixels that arrived."""
    if lam <= 0 or 1 - linf_mean / lam <= LOST_SHARE:
        return None
    return Finding(
        "budget_lost",
        where,
        f"of lambda {lam:g}, {linf_mean:.3g} pixels arrive after rounding to uint8",
        "use whole lambdas, or --observation float",
    )


def too_few_episodes(difference: Damage, *, where: str) -> Finding | None:
    """The interval contains 0; difference [E]: what is claimed in points of return, in pairs."""
    values = np.asarray(difference, dtype=np.float64)
    mean = float(values.mean()) if len(values) else 0.0
    if len(values) < 2 or mean == 0.0:
        return None
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    if abs(mean) > 1.96 * error:
        return None
    needed = math.ceil(len(values) * (1.96 * error / mean) ** 2)
    return Finding(
        "too_few_episodes",
        where,
        f"a difference of {mean:+.1f} points in {len(values)} episodes may be chance",
        f"if it is real, about {round_up(needed)} episodes would show it (--episodes)",
    )


def no_variance(returns: Damage, *, where: str) -> Finding | None:
    """All episodes end alike: the starts or the noise are missing."""
    values = np.asarray(returns, dtype=np.float64)
    if len(values) < 2 or values.std() > 0:
        return None
    return Finding(
        "no_variance",
        where,
        f"all {len(values)} returns are {values[0]:g}",
        "one episode repeated is no sample: check epsilon and the no-op starts; at the floor it "
        "only means that nothing is left",
    )
