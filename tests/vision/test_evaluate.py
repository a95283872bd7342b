"""Evaluations whose answer is known: a classifier made by hand, and laws of the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sap_rl.attacks.gradients import input_gradient
from sap_rl.attacks.objectives import lower_q
from sap_rl.defenses.sap import SAP
from sap_rl.errors import UsageError
from sap_rl.vision import evaluate, evaluate_classifier
from sap_rl.vision.data import Images
from sap_rl.vision.evaluate import Attacked, ClassifierEvaluationRun, probabilities
from sap_rl.vision.results import ClassifierRow, read_evaluation
from sap_rl.vision.settings import ClassifierSettings
from tests.vision.made import made_images

MARGINS = (1, 3, 5, 7, 9, 17, 33, 65)


class Brightest(nn.Module):
    """The class is the channel that is brightest in the mean."""

    def forward(self, images: Tensor) -> Tensor:
        return 10 * images.mean((2, 3))


class Takes(nn.Module):
    """Gives the next of some logits in every pass."""

    def __init__(self, *logits: list[float]) -> None:
        super().__init__()
        self.logits, self.passes = logits, 0

    def forward(self, images: Tensor) -> Tensor:
        self.passes += 1
        return torch.tensor([self.logits[self.passes % len(self.logits)]] * len(images))


def coloured() -> Images:
    """Images whose class is brighter than the other two channels by a margin in pixels each."""
    pixels = torch.full((len(MARGINS), 3, 4, 4), 100, dtype=torch.uint8)
    labels = torch.arange(len(MARGINS)) % 3
    for image, (margin, label) in enumerate(zip(MARGINS, labels, strict=True)):
        pixels[image, label] += margin
    return Images(pixels, labels)


def small_network(seed: int = 0, classes: int = 10) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 16, classes),
        )


def found(images: Images, **options: Any) -> list[float]:
    return [row.accuracy for row in evaluate_classifier(Brightest(), *pair(images), **options).rows]


def pair(images: Images) -> tuple[Tensor, Tensor]:
    return images.pixels, images.labels


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_accuracy_of_a_classifier_made_by_hand(attack: str) -> None:
    """The best attack lowers the class's channel by lambda and raises the others by it, so that
    images with margins below 2 lambda fall."""
    lams = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    expected = [100 * sum(m > 2 * lam for m in MARGINS) / len(MARGINS) for lam in lams]
    assert found(coloured(), lam=lams, attack=attack) == expected


def test_the_interval_is_wilsons_and_the_referee_measures() -> None:
    row = evaluate_classifier(Brightest(), *pair(coloured()), lam=2).rows[0]
    # 6 of 8, from the formula.
    assert (row.low, row.high) == pytest.approx((40.928, 92.852), abs=1e-3)
    assert row.largest == pytest.approx(2, abs=1e-3)
    assert row.wrong == (0, 1)


def test_the_attack_moves_away_from_the_true_class() -> None:
    """A wrong image stays wrong; moved away from what the classifier says, it would turn right."""
    colour = torch.tensor([103, 100, 50], dtype=torch.uint8)
    pixels = colour[None, :, None, None].expand(1, 3, 4, 4)
    for attack in ("fgsm", "pgd", "apgd"):
        result = evaluate_classifier(
            Brightest(), pixels, torch.tensor([1]), lam=(0, 4), attack=attack
        )
        assert [row.wrong for row in result.rows] == [(0,), (0,)]


def test_random_signs_leave_the_mean_alone() -> None:
    row = evaluate_classifier(Brightest(), *pair(coloured()), lam=8, attack="noise").rows[0]
    assert row.largest == pytest.approx(8, abs=1e-3)
    assert row.accuracy > 50


def test_one_gradient_serves_every_lambda() -> None:
    images, network = made_images(30, side=6), small_network()
    for lam in (1, 8):
        single = {"steps": 1, "random_start": False}
        one = evaluate_classifier(network, *pair(images), lam=(1, 8)).row(lam)
        own = evaluate_classifier(
            network, *pair(images), lam=lam, attack="pgd", attack_options=single
        ).row(lam)
        assert one is not None
        assert own is not None
        assert one.wrong == own.wrong
        assert one.calibration.nll == pytest.approx(own.calibration.nll, rel=1e-5)


def test_a_lambdas_row_does_not_depend_on_the_others() -> None:
    options: dict[str, Any] = {"defense": "sap-100", "grad_samples": 2, "policy_samples": 3}
    for attack in ("fgsm", "pgd"):
        several = evaluate_classifier(
            small_network(), *pair(made_images(20, side=6)), lam=(0, 2, 4), attack=attack, **options
        )
        alone = evaluate_classifier(
            small_network(), *pair(made_images(20, side=6)), lam=4, attack=attack, **options
        )
        assert several.row(4) == alone.row(4)
        assert several.grad_samples == 2
        assert several.policy_samples == 3


def test_predictions_are_means_of_softmax() -> None:
    network = Takes([0.0, 5.0, 0.0], [4.0, 0.0, 0.0], [0.0, 5.0, 0.0], [4.0, 0.0, 0.0])
    shares = probabilities(network, torch.zeros(2, 3, 4, 4), passes=4)
    expected = torch.tensor([[4.0, 0, 0], [0, 5, 0]]).softmax(1).mean(0)
    torch.testing.assert_close(shares, expected.expand(2, 3))
    assert network.passes == 4


def test_gradients_are_folded_and_chunked() -> None:
    """No pass sees more images than there is room for, and the mean is that of all passes."""
    rows: list[int] = []
    weights = iter(torch.arange(1.0, 1000))

    class Scaled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            rows.append(len(images))
            scale = torch.stack([next(weights) for _ in range(len(images))])
            return images.mean((2, 3)) * scale[:, None]

    q = evaluate._Chunked(Scaled(), 250)
    images, labels = torch.rand(100, 3, 2, 2), torch.zeros(100, dtype=torch.long)
    gradient, _ = input_gradient(q, images, labels, lower_q, grad_samples=5)
    assert rows == [200, 200, 100]
    expected = torch.stack([torch.arange(1.0, 101) + 100 * k for k in range(5)]).mean(0) / 4
    torch.testing.assert_close(gradient[:, 0, 0, 0], -expected)


def test_victims_and_backward_modes() -> None:
    images = made_images(20, side=6)
    sap = ClassifierSettings(lams=(1.0,), grad_samples=2, policy_samples=2)
    own = ClassifierEvaluationRun(small_network(), images, replace(sap, backward="identity"))
    assert isinstance(own.victim, SAP)
    assert isinstance(own.player, SAP)
    assert (own.victim.backward, own.player.backward) == ("identity", "mask")
    assert own.victim.stream.seed != own.player.stream.seed
    other = ClassifierEvaluationRun(small_network(), images, replace(sap, victim="original"))
    assert not isinstance(other.victim, SAP)
    assert (other.grad_samples, other.policy_samples) == (1, 2)


@pytest.mark.parametrize("norms", ["running", "batch"])
def test_the_classifier_stays_as_it_is(norms: str) -> None:
    network = small_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    result = evaluate_classifier(
        network, *pair(made_images(20, side=6)), lam=(0, 4), defense="sap-100", grad_samples=2,
        policy_samples=2, norms=norms,
    )  # fmt: skip
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert result.sampler in ("exact/1", "exact/2")


def test_batch_statistics_give_another_gradient() -> None:
    images = made_images(40, side=6)
    rows = {
        norms: evaluate_classifier(small_network(), *pair(images), lam=8, norms=norms).rows[0]
        for norms in ("running", "batch")
    }
    assert rows["running"].calibration.nll != rows["batch"].calibration.nll


def test_batch_statistics_are_those_of_the_images_attacked_together() -> None:
    """Two halves that are attacked apart are the whole that is attacked in halves."""
    images = made_images(40, side=6)

    def rows(part: slice, size: int) -> ClassifierRow:
        pixels, labels = images.pixels[part], images.labels[part]
        return evaluate_classifier(
            small_network(), pixels, labels, lam=8, norms="batch", attack_batch=size
        ).rows[0]

    halves = [rows(slice(20), 40).calibration.nll, rows(slice(20, 40), 40).calibration.nll]
    assert rows(slice(40), 20).calibration.nll == pytest.approx(sum(halves) / 2)
    assert rows(slice(40), 40).calibration.nll != pytest.approx(sum(halves) / 2)


def test_passes_of_a_gradient_share_no_batch_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    real = nn.BatchNorm2d.forward

    def spy(norm: nn.BatchNorm2d, images: Tensor) -> Tensor:
        seen.add(len(images) if norm.training else 0)  # 0: running statistics
        return real(norm, images)

    monkeypatch.setattr(nn.BatchNorm2d, "forward", spy)
    evaluate_classifier(
        small_network(), *pair(made_images(40, side=6)), lam=8, norms="batch", attack_batch=10,
        defense="sap-100", grad_samples=3, policy_samples=2,
    )  # fmt: skip
    assert seen == {0, 2, 10}, "2 by the look whether it is random"


def test_events_tell_what_happens() -> None:
    settings = ClassifierSettings(lams=(0.0, 2.0), defense=None)
    run = ClassifierEvaluationRun(Brightest(), coloured(), settings)
    events = list(run.run())
    assert events[0] == Attacked(8, 8, None)
    assert [getattr(event, "lam", None) for event in events[1:]] == [0.0, 2.0]


def test_results_survive_json() -> None:
    result = evaluate_classifier(Brightest(), *pair(coloured()), lam=(0, 2), model="by hand")
    again = read_evaluation(result.to_json())
    assert again == result
    assert again.rows[1].wrong == (0, 1)
    with pytest.raises(UsageError, match="no evaluation of a classifier of format 1"):
        read_evaluation('{"format": 2}')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": torch.rand(8, 3, 4, 4)}, "pixels must be 0..255, and these reach"),
        ({"images": torch.full((8, 3, 4, 4), 300.0)}, "must lie in 0..255, got 300 to 300"),
        ({"images": torch.zeros(7, 3, 4, 4)}, r"got \[7, 3, 4, 4\] and \[8\]"),
        ({"labels": torch.arange(8)}, "labels reach from 0 to 7, and Brightest knows 3 classes"),
        ({"labels": torch.zeros(8)}, "labels int64, got"),
        ({"attack": "fsgm"}, "unknown attack 'fsgm'; choose from fgsm"),
        ({"attack": "universal"}, "fitted on frames of games"),
        ({"attack": "fgsm", "attack_options": {"steps": 2}}, "'fgsm' has no option 'steps'"),
        ({"lam": (1, 1)}, "a lambda is given twice: 1, 1"),
        ({"lam": -1}, "lambda must be a number of at least 0"),
        ({"defense": "sop-100"}, "unknown defense 'sop-100'"),
        ({"backward": "identity"}, "backward identity is of a defence's gradient"),
        ({"policy_samples": 0}, "policy_samples must be at least 1, got 0"),
        ({"module": nn.Flatten(0)}, r"a classifier gives logits \[B, classes\], this one gives"),
    ],
)
def test_what_cannot_be_computed_takes_one_line(change: dict[str, Any], said: str) -> None:
    images = coloured()
    given = {"module": Brightest(), "images": images.pixels, "labels": images.labels} | change
    with pytest.raises(UsageError, match=said) as refused:
        evaluate_classifier(**given)
    assert "\n" not in str(refused.value)
