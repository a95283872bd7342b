"""A training does what its recipe says, and a resumed one what an uninterrupted one does."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
import torch
import yaml

from sap_rl.errors import UsageError
from sap_rl.pixels import to_unit
from sap_rl.schema import options_of
from sap_rl.vision import load_classifier
from sap_rl.vision.augment import cropped, jittered
from sap_rl.vision.classifiers import find_classifier, floats_of
from sap_rl.vision.resnet import ResNet20
from sap_rl.vision.settings import ClassifierTraining, classifier_training
from sap_rl.vision.train import ClassifierRun, Epoch, Trained, accuracy_of, learning_rate
from tests.vision.made import made_images

SMALL = ClassifierTraining(
    epochs=3, batch_size=16, learning_rate=0.1, crop=8, adversarial_lambda=2, adversarial_share=0.25
)
TRAIN, TEST = made_images(40, side=10), made_images(20, side=10, seed=1)


def trained(folder: Path, settings: ClassifierTraining = SMALL) -> ClassifierRun:
    run = ClassifierRun(settings, TRAIN, TEST, folder)
    list(run.run())
    return run


def told(run: ClassifierRun) -> list[Epoch]:
    """Its epochs without the time they took."""
    return [replace(epoch, seconds=0.0) for epoch in run.epochs]


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    for count in (1, 1):
        folder = tmp_path / "parts"
        part = ClassifierRun(SMALL, TRAIN, TEST, folder, resume=(folder / "curve.csv").exists())
        list(islice(part.run(), count))
    rest = ClassifierRun(SMALL, TRAIN, TEST, tmp_path / "parts", resume=True)
    assert len(rest.epochs) == 2
    (third, end) = rest.run()
    assert isinstance(third, Epoch)
    assert isinstance(end, Trained)
    assert told(rest) == told(whole)
    for name, value in floats_of(whole.network).items():
        assert torch.equal(value, floats_of(rest.network)[name]), name
    files = [tmp_path / kind / "weights.safetensors" for kind in ("whole", "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_run_leaves_a_classifier_and_says_how_good_it_is(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    card = tomllib.loads((tmp_path / "run" / "classifier.toml").read_text())
    network = load_classifier(tmp_path / "run")
    assert card["accuracy"] == {"percent": accuracy_of(network, run.test), "images": 20, "side": 8}
    assert card["training"]["config"] == asdict(SMALL)
    images = to_unit(run.test.pixels)
    torch.testing.assert_close(network(images), run.network(images), atol=0.02, rtol=0.01)
    assert not any(weight.requires_grad for weight in network.parameters())
    lines = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert lines[0] == "number,loss,accuracy,test_accuracy,learning_rate,seconds"
    assert len(lines) == 4


def test_colours_are_learned(tmp_path: Path) -> None:
    settings = replace(SMALL, epochs=8, adversarial_lambda=0, jitter=0)
    images = made_images(160, classes=2, side=8)
    run = ClassifierRun(settings, images, made_images(40, classes=2, side=8, seed=3), tmp_path)
    *_, last = run.run()
    assert isinstance(last, Trained)
    assert last.accuracy == 100


def test_it_stops_at_the_accuracy_asked_for(tmp_path: Path) -> None:
    run = trained(tmp_path, replace(SMALL, stop_accuracy=1e-9, epochs=5))
    assert run.epochs[-1].test_accuracy > 0
    assert all(epoch.test_accuracy == 0 for epoch in run.epochs[:-1])


def test_the_step_is_nesterovs(tmp_path: Path) -> None:
    run = ClassifierRun(SMALL, TRAIN, TEST, tmp_path)
    twin = ClassifierRun(SMALL, TRAIN, TEST, tmp_path).network.train()
    optimizer = torch.optim.SGD(
        [weight for weight in twin.parameters() if weight.requires_grad],
        lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True,
    )  # fmt: skip
    images, labels = to_unit(TRAIN.pixels), TRAIN.labels
    for _ in range(3):
        loss, _ = run._update(images, labels, 0.1)
        expected = torch.nn.functional.cross_entropy(twin(images), labels)
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert loss == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(run.network.parameters(), twin.parameters(), strict=True):
        # Sums in another order, three times over.
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert torch.equal(run.network.input_norm.weight, torch.ones(3))


def test_a_share_of_the_batch_is_attacked_within_lambda(tmp_path: Path) -> None:
    run = ClassifierRun(SMALL, TRAIN, TEST, tmp_path)
    clean = to_unit(TRAIN.pixels)[:16]
    images = clean.clone()
    run._attack(run.network.eval(), images, TRAIN.labels[:16], torch.Generator())
    moved = (images - clean).abs().flatten(1).amax(1) * 255
    assert moved[:4].tolist() == pytest.approx([2.0] * 4, abs=1e-3)
    assert not moved[4:].any()


def test_the_network_of_the_epoch_before_is_attacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ClassifierRun(SMALL, TRAIN, TEST, tmp_path)
    start = {name: value.clone() for name, value in floats_of(run.network).items()}
    seen: list[tuple[bool, bool]] = []

    def look(before: ResNet20, *_rest: object) -> None:
        now = floats_of(before)
        seen.append((before.training, all(torch.equal(now[name], start[name]) for name in start)))

    monkeypatch.setattr(run, "_attack", look)
    run._epoch(0)
    assert seen == [(False, True)] * 2
    assert not torch.equal(floats_of(run.network)["conv.weight"], start["conv.weight"])


def test_rates_by_hand() -> None:
    cycle = ClassifierTraining(epochs=10, learning_rate=0.5, warmup_share=0.2)
    rates = [learning_rate(cycle, at) for at in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx([0, 0.25, 0.5, 0.25, 0])
    halves = ClassifierTraining(schedule="halving", halve_epochs=2.5, learning_rate=0.5)
    assert [learning_rate(halves, at) for at in (0, 2.4, 2.5, 5, 9)] == [
        0.5,
        0.5,
        0.25,
        0.125,
        0.0625,
    ]


def test_parts_are_where_they_may_be_and_half_are_mirrored() -> None:
    pixels = torch.arange(1, 17, dtype=torch.uint8).reshape(1, 1, 4, 4).expand(4000, 3, 4, 4)
    found = cropped(pixels, 3, 1, torch.Generator().manual_seed(0))[:, 0]
    padded = torch.nn.functional.pad(pixels[0, 0], [1] * 4)
    windows = [padded[top : top + 3, left : left + 3] for top in range(4) for left in range(4)]
    places = torch.stack([*windows, *(window.flip(1) for window in windows)])
    hits = (found[:, None] == places).flatten(2).all(2)
    assert hits.any(1).all()
    # 4000 draws of 32 equal places: 125 of each, standard deviation 11.
    assert hits.sum(0).tolist() == pytest.approx([125] * 32, abs=55)


def test_colours_change_within_bounds_and_per_image() -> None:
    grey = torch.full((500, 3, 2, 2), 0.5)
    found = jittered(grey, 0.1, torch.Generator().manual_seed(0))[:, 0, 0, 0]
    assert 0.4 <= float(found.min()) < 0.41
    assert 0.59 < float(found.max()) <= 0.6
    assert jittered(grey, 0.0, torch.Generator()) is grey


@pytest.mark.parametrize("name", ["resnet20", "adv"])
def test_the_files_say_every_option(name: str) -> None:
    said = yaml.safe_load(Path(f"configs/vision/{name}.yaml").read_text())
    assert list(said) == list(options_of(ClassifierTraining))
    settings = classifier_training(said)
    assert (settings == ClassifierTraining()) == (name == "resnet20")


def test_refusals_take_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="number of training images must be at least 512, got 40"):
        ClassifierRun(ClassifierTraining(), TRAIN, TEST, tmp_path)
    with pytest.raises(UsageError, match="nothing to resume"):
        ClassifierRun(SMALL, TRAIN, TEST, tmp_path, resume=True)
    trained(tmp_path, replace(SMALL, epochs=1))
    with pytest.raises(UsageError, match="already holds a run; resume it"):
        ClassifierRun(SMALL, TRAIN, TEST, tmp_path)
    with pytest.raises(UsageError, match="made with epochs=1, not 3: a resumed run keeps it"):
        ClassifierRun(SMALL, TRAIN, TEST, tmp_path, resume=True)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"broken")
    with pytest.raises(UsageError, match=r"checkpoint .* cannot be read"):
        ClassifierRun(SMALL, TRAIN, TEST, tmp_path, resume=True)
    with pytest.raises(UsageError, match="lambda is in pixel units, at most 255, got 256"):
        classifier_training({"adversarial_lambda": 256})
    with pytest.raises(UsageError, match="unknown training option 'epoch'; choose from epochs"):
        classifier_training({"epoch": 3})


def test_broken_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown classifier 'resnet99'"):
        find_classifier("resnet99")
    trained(tmp_path, replace(SMALL, epochs=1))
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-2] + b"\0\0")
    with pytest.raises(UsageError, match="its card says"):
        load_classifier(tmp_path)
    card = tmp_path / "classifier.toml"
    card.write_text(card.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(UsageError, match="has format 2; this version reads format 1"):
        load_classifier(tmp_path)
