"""What every defence of the registry promises; a new entry is under contract at once."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sap_rl import DEFENSES, Agent, Preprocess
from sap_rl.attacks.gradients import is_random
from sap_rl.defenses import defense_options, parse_defense
from sap_rl.defenses.defended import backward_of, defended_parts, sampler_of
from sap_rl.defenses.names import BACKWARDS
from sap_rl.play.victims import with_backward

OBS = torch.rand((3, 2, 6, 6), generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 40), nn.ReLU(), nn.Linear(40, 3))


def needed(name: str) -> dict[str, Any]:
    """A value for every option that must be given."""
    options = defense_options(name).values()
    return {o.name: 1 for o in options if o.default is inspect.Parameter.empty}


def defend(name: str, module: nn.Module, **options: Any) -> nn.Module:
    return DEFENSES[name](module, seed=1, **needed(name) | options)


@pytest.mark.parametrize("name", DEFENSES)
def test_every_argument_is_an_option_that_says_what_it_is(name: str) -> None:
    entry = DEFENSES[name]
    arguments = list(inspect.signature(entry.make).parameters)
    assert arguments == ["module", *entry.options, "seed"]
    assert all(option.help for option in entry.options.values())
    assert entry.strength is None or entry.options[entry.strength].type in (int, float)
    assert inspect.getdoc(entry.make)
    assert entry.version >= 1
    spelled = name if entry.strength is None else f"{name}-3"
    expected = {} if entry.strength is None else {entry.strength: 3.0}
    assert parse_defense(spelled) == (name, expected)


@pytest.mark.parametrize("name", DEFENSES)
def test_parameters_are_shared_and_the_network_is_left_as_it_was(name: str) -> None:
    module = network()
    before = module(OBS)
    defended = defend(name, module)
    defended(OBS)
    shared = {id(parameter) for parameter in module.parameters()}
    assert {id(parameter) for parameter in defended.parameters()} == shared
    assert torch.equal(module(OBS), before)
    assert defended(OBS).shape == before.shape
    assert defended.training == module.training


@pytest.mark.parametrize("name", DEFENSES)
def test_its_traits_are_true(name: str) -> None:
    entry, seen = DEFENSES[name], []
    module = network()
    module[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    defended = defend(name, module)
    assert type(defended) is entry.kind
    assert defended_parts(defended)[0] is defended
    assert is_random(defended, OBS) == entry.kind.stochastic
    assert (sampler_of(defended) is not None) == entry.kind.stochastic
    assert torch.equal(seen[-1], OBS) == (entry.kind.acts_on == "network")
    assert set(entry.kind.backwards) <= set(BACKWARDS)
    assert (backward_of(defended) in entry.kind.backwards) == bool(entry.kind.backwards)
    assert (backward_of(defended) is None) == (not entry.kind.backwards)


@pytest.mark.parametrize("name", DEFENSES)
def test_equal_seeds_give_equal_bits_in_every_backward_mode(name: str) -> None:
    agent = Agent(network(), Preprocess(frames=2, height=6, width=6), "small", num_actions=3)
    defended = agent.defend(name, seed=1, **needed(name))
    expected = defend(name, agent.module)(OBS)
    for mode in DEFENSES[name].kind.backwards:
        victim = with_backward(defended, mode).reseeded(5)
        assert backward_of(victim.module) == mode
        obs = OBS.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(victim.module(obs).sum(), obs)
        assert bool(gradient.isfinite().all())
        assert torch.equal(victim.reseeded(5).module(OBS), defended.reseeded(5).module(OBS))
    assert torch.equal(defended.module(OBS), expected)


@pytest.mark.parametrize("name", DEFENSES)
def test_copies_of_a_batch_are_passes_of_their_own(name: str) -> None:
    """An agent that averages over passes gets what single passes average to, in law; here in
    number: as many rows."""
    defended = defend(name, network())
    own = getattr(defended, "folded_passes", None)
    found: Tensor = own(OBS, 4) if own else defended(OBS.repeat(4, 1, 1, 1))
    assert found.shape == (12, 3)
    alike = torch.equal(found[:3], found[3:6])
    assert alike == (not DEFENSES[name].kind.stochastic)
