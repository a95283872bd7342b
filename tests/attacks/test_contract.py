"""What every attack of the registry promises; a new entry is under contract at once."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sap_rl import ATTACKS, Adversary, Threat, UsageError, sap
from sap_rl.attacks import attack_options, make_attack
from sap_rl.attacks.objectives import OBJECTIVES
from sap_rl.defenses.names import BACKWARDS

B = 3
FIRST = torch.ones(B, dtype=torch.bool)


@pytest.fixture
def pixels(frames: Tensor) -> Tensor:
    return frames[:B]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quick(name: str, **options: Any) -> Any:
    """The attack with few steps, where it takes steps."""
    cheap = {"steps": 3, "directions": 2}
    return make_attack(
        name, **{k: v for k, v in cheap.items() if k in attack_options(name)} | options
    )


@pytest.mark.parametrize("source", [torch.uint8, torch.float32])
@pytest.mark.parametrize("observation", ["float", "uint8"])
@pytest.mark.parametrize("frames_", ["all", "newest"])
@pytest.mark.parametrize("name", ATTACKS)
def test_through_an_adversary(
    name: str,
    frames_: Any,
    observation: Any,
    source: torch.dtype,
    pixels: Tensor,
    network: nn.Module,
) -> None:
    clean = pixels.to(source)
    kept = clean.clone()
    threat = Threat(2.5, frames_, observation)
    attacked = Adversary(network, quick(name), threat, 0).perturb(clean, FIRST)
    assert torch.equal(clean, kept)
    received = attacked.pixels
    assert received.shape == clean.shape
    assert received.dtype == (torch.uint8 if observation == "uint8" else torch.float32)
    moved = (received.float() - clean.float()).abs()
    # 1e-4: a pixel in unit scale and back, in float32.
    budget = 2 if observation == "uint8" else 2.5 + 1e-4
    assert float(moved.max()) <= budget
    assert float(received.float().min()) >= 0
    assert float(received.float().max()) <= 255
    if frames_ == "newest":
        assert not bool(moved[:, :-1].any())
    assert torch.equal(attacked.linf, moved.flatten(1).amax(1))
    torch.testing.assert_close(attacked.mean, moved.flatten(1).mean(1))
    assert torch.equal(attacked.label, network(pixels / 255).argmax(1))
    assert (name == "none") == (not bool(moved.any()))
    on_tampered = network(received.float() / 255).argmax(1)
    assert torch.equal(attacked.flipped, on_tampered != attacked.label)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("planted", [True, False])
@pytest.mark.parametrize("name", ATTACKS)
def test_the_network_is_left_as_it_was(
    name: str, planted: bool, training: bool, pixels: Tensor, network: nn.Sequential
) -> None:
    network.train(training)
    network.conv1.weight.requires_grad_(False)
    grads: list[Tensor | None] = []
    for i, parameter in enumerate(network.parameters()):
        if planted and parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, float(i))
        grads.append(parameter.grad)
    kept = [None if grad is None else grad.clone() for grad in grads]
    weights = [parameter.detach().clone() for parameter in network.parameters()]
    quick(name)(network, pixels / 255, Threat(4), generator=generator())
    for i, parameter in enumerate(network.parameters()):
        assert parameter.grad is grads[i]
        if kept[i] is not None:
            assert torch.equal(parameter.grad, kept[i])
        assert torch.equal(parameter, weights[i])
        assert parameter.requires_grad == (i != 0)
    assert all(part.training == training for part in network.modules())


@pytest.mark.parametrize("name", ATTACKS)
def test_pure_and_reproducible(name: str, pixels: Tensor, network: nn.Module) -> None:
    obs = pixels / 255
    kept = obs.clone()
    attack, threat = quick(name), Threat(4)
    state = torch.random.get_rng_state()
    first = attack(network, obs, threat, generator=generator())
    again = attack(network, obs, threat, generator=generator())
    assert torch.equal(first, again)
    assert torch.equal(obs, kept)
    assert not obs.requires_grad
    assert not first.requires_grad
    assert torch.equal(torch.random.get_rng_state(), state)
    drawn = generator()
    attack(network, obs, threat, generator=drawn)
    assert (name in ("none", "fgsm")) <= torch.equal(drawn.get_state(), generator().get_state())
    if not torch.equal(drawn.get_state(), generator().get_state()):
        other = attack(network, obs, threat, generator=generator(1))
        assert not torch.equal(first, other)


@pytest.mark.parametrize("grad_samples", [1, 4])
@pytest.mark.parametrize("name", ATTACKS)
def test_the_first_look_is_at_the_clean_frames(
    name: str, grad_samples: int, pixels: Tensor, network: nn.Module
) -> None:
    """`Adversary` takes its label from that look."""
    takes = "grad_samples" in attack_options(name)
    attack = quick(name, grad_samples=grad_samples) if takes else quick(name)
    looks: list[Tensor] = []

    def q(obs: Tensor) -> Tensor:
        looks.append(obs.detach().clone())
        return network(obs)

    obs = pixels / 255
    attack(q, obs, Threat(4), generator=generator())
    if takes:
        assert torch.equal(looks[0], obs.repeat(grad_samples, 1, 1, 1))
    else:
        assert looks == []


@pytest.mark.parametrize("name", ATTACKS)
def test_under_no_grad_and_inference_mode(name: str, pixels: Tensor, network: nn.Module) -> None:
    expected = Adversary(network, quick(name), Threat(4), 0).perturb(pixels, FIRST).pixels
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            fresh = torch.tensor(pixels.numpy())
            found = Adversary(network, quick(name), Threat(4), 0).perturb(fresh, FIRST).pixels
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_random_victim(name: str, pixels: Tensor, network: nn.Module) -> None:
    """A victim behind SAP: the same seeds give the same frames, whatever the mode."""
    found = []
    for training in (True, False):
        victim = sap(network, percent=100, seed=3).train(training)
        attacked = Adversary(victim, quick(name), Threat(4), 0).perturb(pixels, FIRST)
        found.append(attacked.pixels)
        assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(*found)


def test_gradients_beat_noise(pixels: Tensor, network: nn.Module) -> None:
    """The loss rises by much more than random signs of the same budget achieve."""
    rise = {}
    network.requires_grad_(False)
    obs = pixels / 255
    label = network(obs).argmax(1)
    clean = nn.functional.cross_entropy(network(obs), label)
    for name in ATTACKS:
        adv = make_attack(name)(network, obs, Threat(8), generator=generator())
        rise[name] = float(nn.functional.cross_entropy(network(adv), label) - clean)
    assert rise["none"] == 0
    assert rise["fgsm"] > 5 * abs(rise["noise"])
    assert rise["pgd"] > 5 * abs(rise["noise"])
    assert math.isfinite(sum(rise.values()))


@pytest.mark.parametrize("name", ATTACKS)
def test_every_argument_is_an_option_that_says_what_it_is(name: str) -> None:
    entry = ATTACKS[name]
    arguments = inspect.signature(entry.make).parameters.values()
    assert [argument.name for argument in arguments] == list(entry.options)
    assert all(argument.kind is inspect.Parameter.KEYWORD_ONLY for argument in arguments)
    for option in attack_options(name).values():
        assert option.help
        assert option.type in (int, float, bool, str)
        assert option.optional if option.default is None else type(option.default) is option.type
        assert not option.choices or option.default in option.choices
    assert inspect.getdoc(entry.make)
    assert entry.version >= 1


def test_options_carry_units_choices_and_none() -> None:
    options = attack_options("pgd")
    assert (options["step_size"].unit, options["step_size"].optional) == ("pixels", True)
    assert (options["steps"].type, options["steps"].default) == (int, 10)
    assert options["objective"].choices == tuple(OBJECTIVES)
    assert not options["steps"].optional


@pytest.mark.parametrize("name", ATTACKS)
def test_it_asks_for_what_it_says(name: str, pixels: Tensor, network: nn.Module) -> None:
    entry, asked = ATTACKS[name], []

    def values_alone(obs: Tensor) -> Tensor:
        asked.append(obs)
        return network(obs).detach()

    def play() -> Tensor:
        return quick(name)(values_alone, pixels / 255, Threat(4), generator=generator())

    if entry.needs == "gradient":
        with pytest.raises(UsageError, match="carry no gradient"):
            play()
    else:
        play()
    assert bool(asked) == entry.asks == ("grad_samples" in entry.options)
    assert not (entry.one_step and "steps" in entry.options)
    assert hasattr(quick(name), "fit") == entry.needs_frames


@pytest.mark.parametrize("name", ATTACKS)
def test_its_lines_of_the_audits_suite_can_be_played(name: str) -> None:
    for trial in ATTACKS[name].trials:
        objective = {"objective": trial.objective} if trial.objective else {}
        make_attack(name, **objective, **trial.options)
        assert (trial.objective is not None) == ("objective" in attack_options(name))
        assert trial.backward in (None, *BACKWARDS)
        assert trial.victim == "own" or trial.backward is None
