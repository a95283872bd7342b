"""What the flags of a result say, in words."""

from __future__ import annotations

from collections.abc import Sequence

from sap_rl.evaluation.results import Evaluation

FLAGS = {
    "at_floor": "both players' intervals reach the random policy's: there is nothing left to keep",
    "no_better_than_noise": "not above Gaussian noise on the action values that flips as many "
    "actions: flipping alone would do",
    "unstable_denominator": "the original keeps too little for a percentage to mean anything; the "
    "difference in points of return stands instead",
    "weak_attack_only": "the defended player was not attacked on its own gradient: no claim can be "
    "made",
    "no_variance": "all returns are equal, so there is no interval",
    "degenerate_bootstrap": "the bootstrap has no interval here; compare the returns",
    "too_few_episodes": "one episode has no interval",
    "no_controls": "random and the noise control were not played: no claim can be made",
}
"""Flag -> its meaning; a verdict `helps` needs a change without any but `unstable_denominator`."""

ONE_NETWORK = (
    "One trained network per game: the intervals (BCa 95% over episodes) say nothing about other "
    "training seeds."
)
SEVERAL_LOOKS = (
    "One trained network per game: the intervals (over episodes; of means Student's t after Hall's "
    "transformation, of differences BCa, all at the level that makes those of all looks of the "
    "stopping rule hold at 95% together) say nothing about other training seeds."
)
"""Instead of ONE_NETWORK where a stopping rule played on; its coverage: docs/statistics.md."""
LOOKED = "A stopping rule decided about the episodes; these intervals do not pay for its looks."
COVERAGE = (
    "On skewed returns an interval of 30 episodes covers the truth in 93 to 97% of cases, one of "
    "10 in 86 to 97% (docs/statistics.md)."
)
"""What the intervals cover, as tests/statistics/test_intervals.py measures it."""

CHECK_FAILED = "The agent does not play as stated. Likely causes: "

BAR = (
    "bar: Dopamine's DQN after 2.5M agent steps, its mean return while training, 5 seeds, sticky "
    "actions 0.25: other rules than ours."
)


def flags_in(evaluations: Sequence[Evaluation]) -> list[str]:
    """The flags that stand at some row or change, in the order of FLAGS."""
    found = {flag for e in evaluations for row in e.rows for flag in row.flags}
    found |= {flag for e in evaluations for change in e.changes for flag in change.flags}
    return [flag for flag in FLAGS if flag in found]


def flag_marks(evaluation: Evaluation) -> dict[str, str]:
    """Each flag of the evaluation -> the letter that stands for it in the terminal."""
    return {flag: chr(ord("a") + i) for i, flag in enumerate(flags_in([evaluation]))}
