"""The streams of defended networks: seeds, copies, pickles, other processes."""

import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sap_rl.defenses import DEFENSES
from sap_rl.networks.nature import nature_network

RANDOM = [name for name, entry in DEFENSES.items() if entry.kind.stochastic]
OPTIONS = {"sap": {"percent": 100}, "q-noise": {"sigma": 0.5}}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 4))


def inputs() -> Tensor:
    return torch.rand(5, 30, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=RANDOM)
def defend(request: pytest.FixtureRequest) -> Callable[..., nn.Module]:
    """(module, seed) -> the module behind each random defence in turn."""
    return lambda module, seed=None: DEFENSES[request.param](
        module, seed=seed, **OPTIONS.get(request.param, {})
    )


Defend = Callable[..., nn.Module]


def test_equal_seeds_give_equal_bits_and_others_do_not(defend: Defend) -> None:
    module, x = network(), inputs()
    one, same, other = defend(module, 1), defend(module, 1), defend(module, 2)
    passes = [one(x) for _ in range(3)]
    assert all(torch.equal(same(x), out) for out in passes)
    assert not any(torch.equal(other(x), out) for out in passes)
    assert len({tuple(out.flatten().tolist()) for out in passes}) == 3


def test_without_a_seed_no_two_are_alike(defend: Defend) -> None:
    module, x = network(), inputs()
    assert not torch.equal(defend(module)(x), defend(module)(x))


def test_global_seeds_and_generators_play_no_part(defend: Defend) -> None:
    module, x = network(), inputs()
    defended, twin = defend(module, 1), defend(module, 1)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = defended(x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(twin(x), first)


def test_two_defended_networks_never_move_each_others_stream(defend: Defend) -> None:
    module, x = network(), inputs()
    alone, player, attacker = defend(module, 1), defend(module, 1), defend(module, 2)
    for passes in (1, 10):
        for _ in range(passes):
            attacker(x)
        assert torch.equal(player(x), alone(x))


def test_reseed_starts_the_stream_again(defend: Defend) -> None:
    module, x = network(), inputs()
    defended = defend(module, 1)
    first, second = defended(x), defended(x)
    defended.reseed(1)
    assert torch.equal(defended(x), first)
    assert torch.equal(defended(x), second)
    defended.reseed(None)
    assert not torch.equal(defended(x), first)


@pytest.mark.parametrize("passes", [0, 2])
def test_deepcopy_and_pickle_keep_the_stream_where_it_is(defend: Defend, passes: int) -> None:
    defended, x = defend(network(), 1), inputs()
    for _ in range(passes):
        defended(x)
    copied, loaded = copy.deepcopy(defended), pickle.loads(pickle.dumps(defended))
    following = [defended(x), defended(x)]
    for twin in (copied, loaded):
        assert torch.equal(twin(x), following[0])
        assert torch.equal(twin(x), following[1])
        twin.reseed(1)
    assert not torch.equal(copied(x), defended(x)), "the copy's stream is its own"
    assert next(copied.parameters()) is not next(defended.parameters())


def test_a_deep_copy_prunes_with_its_own_stream() -> None:
    """Hooks of the copy belong to the copy: they must not draw from the original's stream."""
    x = inputs()
    defended, alone = DEFENSES["sap"](network(), seed=1), DEFENSES["sap"](network(), seed=1)
    copied = copy.deepcopy(defended)
    copied(x)
    copied(x)
    assert torch.equal(defended(x), alone(x))
    assert copied.sites == defended.sites
    copied.reseed(8)
    assert torch.equal(defended(x), alone(x))


def test_state_dicts_hold_the_network_alone(defend: Defend) -> None:
    module = network()
    defended, file = defend(module, 1), io.BytesIO()
    torch.save(defended.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert set(state) == {f"module.{name}" for name in module.state_dict()}
    fresh = defend(nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 4)), 1)
    fresh.load_state_dict(state)
    assert torch.equal(fresh(inputs()), defended(inputs()))


def test_another_process_draws_the_same(tmp_path: Path) -> None:
    """Including the draws after the first, of a network whose stream has been used."""
    defended = DEFENSES["sap"](nature_network(4), seed=1)
    x = torch.rand(2, 4, 84, 84, generator=torch.Generator().manual_seed(0))
    defended(x)
    (tmp_path / "in.pickle").write_bytes(pickle.dumps((defended, x)))
    program = (
        "import pickle, sys, pathlib, torch; torch.set_num_threads(1); "
        "d = pathlib.Path(sys.argv[1]); module, x = pickle.loads((d / 'in.pickle').read_bytes()); "
        "torch.save([module(x).detach(), module(x).detach()], d / 'out.pt')"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    for found in torch.load(tmp_path / "out.pt", weights_only=True):
        assert torch.equal(found, defended(x))


def test_defences_that_stand_on_each_other_have_streams_of_their_own() -> None:
    x = inputs()
    inner = DEFENSES["sap"](network(), seed=1)
    outer = DEFENSES["q-noise"](inner, sigma=0, seed=1)
    again = DEFENSES["q-noise"](inner, sigma=0, seed=1)
    first = outer(x)
    assert not torch.equal(first, inner(x)), "the copy inside must not repeat the player's draws"
    assert torch.equal(again(x), first)
    outer.reseed(1)
    assert torch.equal(outer(x), first)
    noisy = DEFENSES["sap"](DEFENSES["q-noise"](network(), sigma=0.1, seed=1), seed=1)
    first = noisy(x)
    noisy.reseed(1)
    assert torch.equal(noisy(x), first)
