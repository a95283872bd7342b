"""What torchattacks and foolbox give on a real network and real frames."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator

import numpy as np
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
def double_precision() -> Iterator[None]:
    """Also the default: torchattacks draws its random start in it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


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


@pytest.mark.parametrize("lam", LAMBDAS)
def test_l2(model: nn.Module, obs: Tensor, lam: float) -> None:
    """Theirs is the Euclidean norm: ours times the root of the number of pixels, in unit scale."""
    threat, root = Threat(lam, norm="l2"), obs[0].numel() ** 0.5
    draw = torch.Generator().manual_seed(0)
    pgd = make_attack("pgd", steps=5, step_size=ALPHA, random_start=False)
    found = pgd(model, obs, threat, generator=draw)
    attack = torchattacks.PGDL2(
        model, lam / 255 * root, ALPHA / 255 * root, 5, random_start=False, eps_for_division=0
    )
    torch.testing.assert_close(found, attack(obs, labels(model, obs)), rtol=0, atol=1e-5)
    one_step = make_attack("fgsm")(model, obs, threat, generator=draw)
    theirs = foolbox.attacks.L2FastGradientAttack(random_start=False)
    other = foolbox_run(theirs, model, obs, lam * root)
    torch.testing.assert_close(one_step, other, rtol=0, atol=1e-5)
    assert float((one_step - found).abs().max()) > 1e-3


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_momentum(model: nn.Module, obs: Tensor, decay: float) -> None:
    # foolbox 3.3.4 has no such attack: it sums gradients that are not normalised.
    # torchattacks divides its gradients by the batch size, exactly while that is a power of two.
    assert len(obs) == 16
    found = ours("pgd", model, obs, 8, steps=5, step_size=ALPHA, momentum=decay, random_start=False)
    attack = torchattacks.MIFGSM(model, 8 / 255, ALPHA / 255, steps=5, decay=decay)
    assert torch.equal(found, attack(obs, labels(model, obs)))
    plain = ours("pgd", model, obs, 8, steps=5, step_size=ALPHA, random_start=False)
    assert not torch.equal(found, plain)


class Shaken(nn.Module):
    """A network whose hidden values are scaled at random, the same draws for the same calls."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.rng = module, np.random.default_rng(0)

    def forward(self, obs: Tensor) -> Tensor:
        draws = torch.from_numpy(self.rng.uniform(0.5, 1.5, size=(len(obs), 1, 1, 1)))
        values: Tensor = self.module(obs * draws.to(obs.dtype))
        return values


@pytest.mark.parametrize("samples", [2, 5])
def test_eot(model: nn.Module, obs: Tensor, samples: int) -> None:
    """Passes folded into the batch draw in the order of a loop over passes."""
    label = labels(model, obs)
    attack = make_attack("pgd", steps=4, step_size=ALPHA, random_start=False, grad_samples=samples)
    draw = torch.Generator().manual_seed(0)
    found = attack(Shaken(model), obs, Threat(8), generator=draw, label=label)
    theirs = torchattacks.EOTPGD(
        Shaken(model), 8 / 255, ALPHA / 255, steps=4, eot_iter=samples, random_start=False
    )(obs, label)
    one_pass = make_attack("pgd", steps=4, step_size=ALPHA, random_start=False)
    other = one_pass(Shaken(model), obs, Threat(8), generator=draw, label=label)
    # Sums over passes in another order: the sign of a vanishing gradient may differ.
    assert float((found == theirs).float().mean()) > 0.999
    assert float((other == theirs).float().mean()) < 0.99


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("lam", LAMBDAS)
def test_apgd(model: nn.Module, obs: Tensor, lam: float, steps: int) -> None:
    """Its single run, from the same random start. In double precision: over twenty steps of signs,
    single precision can round one small gradient to the other side of zero and end elsewhere.
    Where the first step does not raise the loss the two differ on purpose: theirs compares it with
    an unset value at the first checkpoint."""
    model, obs = copy.deepcopy(model).double(), obs.double()
    label = labels(model, obs)
    attack = torchattacks.APGD(model, eps=lam / 255, steps=steps)
    torch.manual_seed(0)
    theirs, _, best_loss, _ = attack.attack_single_run(obs, label)
    apgd = make_attack("apgd", steps=steps)
    seen: list[Tensor] = []

    def q(x: Tensor) -> Tensor:
        values: Tensor = model(x)
        seen.append(nn.functional.cross_entropy(values, label, reduction="none").detach())
        return values

    draw = torch.Generator().manual_seed(0)
    found = apgd(q, obs, Threat(lam), generator=draw, label=label)
    comparable = seen[2] > seen[1]  # after the clean look: the start, then the first step
    assert int(comparable.sum()) > 8
    torch.testing.assert_close(found[comparable], theirs[comparable], rtol=0, atol=1e-12)
    ours_loss = nn.functional.cross_entropy(model(found), label, reduction="none")
    torch.testing.assert_close(ours_loss[comparable], best_loss[comparable])
