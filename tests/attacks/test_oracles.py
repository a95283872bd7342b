"""Bit for bit what torchattacks and foolbox give on a real network and real frames."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

with warnings.catch_warnings():  # foolbox imports a deprecated corner of scipy
    warnings.simplefilter("ignore")
    import foolbox
    import torchattacks

from sap_rl import Agent, Threat
from sap_rl.attacks import make_attack

LAMBDAS = [1, 2.5, 8]
ALPHA = 1.5

Ours = Callable[[nn.Module, Tensor, float], Tensor]


@pytest.fixture(params=["random weights", "shipped agent"])
def model(request: pytest.FixtureRequest, network: nn.Module, agent: Agent) -> nn.Module:
    return network if request.param == "random weights" else agent.module


@pytest.fixture
def obs(frames: Tensor) -> Tensor:
    return frames / 255


def ours(name: str, model: nn.Module, obs: Tensor, lam: float, **options: object) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return make_attack(name, **options)(model, obs, Threat(lam), generator=generator)


def labels(model: nn.Module, obs: Tensor) -> Tensor:
    return model(obs).argmax(1)


def foolbox_run(attack: object, model: nn.Module, obs: Tensor, lam: float) -> Tensor:
    target = foolbox.PyTorchModel(model.eval(), bounds=(0, 1))
    criterion = foolbox.criteria.Misclassification(labels(model, obs))
    found: Tensor = attack.run(target, obs, criterion, epsilon=lam / 255)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("lam", LAMBDAS)
def test_fgsm(model: nn.Module, obs: Tensor, lam: float) -> None:
    found = ours("fgsm", model, obs, lam)
    theirs = torchattacks.FGSM(model, eps=lam / 255)(obs, labels(model, obs))
    assert torch.equal(found, theirs)
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    assert torch.equal(found, foolbox_run(attack, model, obs, lam))
    assert float((found != obs).float().mean()) > 0.5


@pytest.mark.parametrize("lam", LAMBDAS)
def test_pgd(model: nn.Module, obs: Tensor, lam: float) -> None:
    found = ours("pgd", model, obs, lam, steps=5, step_size=ALPHA, random_start=False)
    attack = torchattacks.PGD(model, lam / 255, ALPHA / 255, steps=5, random_start=False)
    assert torch.equal(found, attack(obs, labels(model, obs)))
    other = foolbox.attacks.LinfPGD(abs_stepsize=ALPHA / 255, steps=5, random_start=False)
    assert torch.equal(found, foolbox_run(other, model, obs, lam))


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_momentum(model: nn.Module, obs: Tensor, decay: float) -> None:
    # torchattacks divides its gradients by the batch size, exactly while that is a power of two.
    assert len(obs) == 16
    found = ours("pgd", model, obs, 8, steps=5, step_size=ALPHA, momentum=decay, random_start=False)
    attack = torchattacks.MIFGSM(model, 8 / 255, ALPHA / 255, steps=5, decay=decay)
    assert torch.equal(found, attack(obs, labels(model, obs)))
    plain = ours("pgd", model, obs, 8, steps=5, step_size=ALPHA, random_start=False)
    assert not torch.equal(found, plain)
