"""SAP on whole networks: where it prunes and what it leaves alone."""

import copy

import pytest
import torch
from torch import Tensor, nn

from sap_rl import UsageError, sap
from sap_rl.defenses.activations import ACTIVATIONS, shared_copy
from sap_rl.defenses.sap import Site
from sap_rl.networks.nature import nature_network
from tests.defenses.naive_sap import marginal_excess
from tests.defenses.toys import frames, mlp, rows, seen, sites


@pytest.mark.parametrize(
    ("percent", "draws"),
    [
        (100, (12800, 5184, 3136, 512)),
        (50, (6400, 2592, 1568, 256)),
        (150, (19200, 7776, 4704, 768)),
        (12.5, (1600, 648, 392, 64)),
    ],
)
def test_nature_network(percent: float, draws: tuple[int, ...]) -> None:
    defended = sap(nature_network(6), percent=percent, seed=0)
    assert defended.sites == ()
    defended(frames(2))
    names, sizes = ("relu1", "relu2", "relu3", "relu4"), (12800, 5184, 3136, 512)
    assert sites(defended) == list(zip(names, sizes, draws, strict=True))
    defended(frames(1))
    assert len(defended.sites) == 4, "sites are of the last pass"


def test_mlp() -> None:
    defended = sap(mlp(), seed=0)
    defended(rows(2, 20))
    assert defended.sites == (Site("1", 20, 20), Site("3", 20, 20))


@pytest.mark.parametrize(
    ("percent", "size", "draws"), [(29, 100, 29), (58, 50, 29), (50, 5, 2), (99.9, 10, 9)]
)
def test_draws_are_the_whole_number_below(percent: float, size: int, draws: int) -> None:
    """29 / 100 * 100 is 28.999999999999996 in floating point."""
    defended = sap(mlp(nn.ReLU(), width=size), percent=percent, seed=0)
    defended(rows(1, size))
    assert sites(defended) == [("1", size, draws)]


def test_too_few_draws_are_refused_with_the_least_percent() -> None:
    defended = sap(mlp(nn.ReLU(), width=10), percent=9, seed=0)
    with pytest.raises(UsageError, match=r"SAP-9 draws nothing from the 10 values of '1'.*10"):
        defended(rows(1, 10))


def test_pruned_after_the_activation_and_not_before() -> None:
    module = mlp(nn.ReLU(), width=6)
    nn.init.eye_(module[0].weight)
    nn.init.zeros_(module[0].bias)
    before = torch.tensor([-30.0, 3.0, -20.0, 1.0, 1.0, 5.0])
    defended = sap(module, percent=50, seed=0)
    values = seen(defended.module, "1")
    defended(before.expand(20_000, 6))
    after = before.relu()
    assert marginal_excess((values[0] != 0).float(), after / after.sum(), 3) < 4.5
    torch.testing.assert_close(values[0].mean(0), after, rtol=0.05, atol=0)


def test_batch_norm_stands_before_the_pruning() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).eval()
    module[1].running_mean.fill_(0.3)
    defended = sap(module, seed=0)
    normalised = module[:3](rows(50, 8))
    values = seen(defended.module, "2")
    defended(rows(50, 8))
    assert not values[0][normalised == 0].any()
    assert (values[0][normalised > 0] == 0).any()
    assert sites(defended) == [("2", 8, 8)]


def test_outputs_are_not_pruned() -> None:
    module = mlp()
    nn.init.zeros_(module[-1].weight)
    assert torch.equal(sap(module, seed=0)(rows(9, 20)), module(rows(9, 20)))


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.LeakyReLU(0.3), nn.ELU(), nn.PReLU()])
def test_negative_activations_survive_as_often_as_positive_ones(activation: nn.Module) -> None:
    module = mlp(activation, width=10)
    defended = sap(module, seed=0)
    h = module[:2](rows(1, 10))[0].detach()
    assert (h < 0).any()
    values = seen(defended.module, "1")
    defended(rows(1, 10).expand(30_000, 10))
    assert marginal_excess((values[0] != 0).float(), h.abs() / h.abs().sum(), 10) < 4.5
    torch.testing.assert_close(values[0].mean(0), h, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda kind: kind.__name__)
def test_every_activation_module_is_pruned(kind: type[nn.Module]) -> None:
    size = 6 if kind is nn.GLU else 12
    activation = kind(0.1, 0.0) if kind is nn.Threshold else kind()
    module = nn.Sequential(nn.Linear(5, 12), activation, nn.Linear(size, 2))
    defended = sap(module, percent=50, seed=0)
    defended(rows(2, 5))
    assert sites(defended) == [("1", size, size // 2)]


class Twice(nn.Module):
    """One activation in two places, inside nested modules."""

    def __init__(self) -> None:
        super().__init__()
        relu = nn.ReLU(inplace=True)
        self.body = nn.Sequential(nn.Linear(4, 8), relu, nn.Sequential(nn.Linear(8, 6), relu))
        self.again = relu
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x))
        return out


def test_one_instance_in_two_places_is_pruned_in_both_once() -> None:
    defended = sap(Twice(), seed=0)
    defended(rows(2, 4))
    assert sites(defended) == [("body.1", 8, 8), ("body.1", 6, 6)]
    with pytest.raises(UsageError, match=r"no activation module to prune besides .* again"):
        sap(Twice(), skip=("again",))


class Residual(nn.Module):
    """Two in-place activations, each through several layers, one around a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.act1, self.act2 = nn.ReLU(inplace=True), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.one(x))
        x = x + self.act2(self.two(x))
        out: Tensor = self.out(x)
        return out


def test_in_place_activations_give_the_gradient_of_others() -> None:
    torch.manual_seed(0)
    module = Residual()
    plain = copy.deepcopy(module)
    plain.act1.inplace = plain.act2.inplace = False
    results = []
    for one in (module, plain):
        x = rows(5, 6).requires_grad_(True)
        out = sap(one, seed=7)(x)
        results.append((out, *torch.autograd.grad(out.square().sum(), [x, one.one.weight])))
    for found, wanted in zip(*results, strict=True):
        assert torch.equal(found, wanted)


def test_skip_leaves_an_activation_alone() -> None:
    module = mlp()
    defended = sap(module, skip=("1",), seed=0)
    values = seen(defended.module, "1")
    defended(rows(4, 20))
    assert sites(defended) == [("3", 20, 20)]
    assert torch.equal(values[0], module[:2](rows(4, 20)))
    with pytest.raises(UsageError, match="skip: '7' is not an activation module; they are: 1, 3"):
        sap(module, skip=("7",))
    with pytest.raises(UsageError, match="skip: '0' is not"):
        sap(module, skip=("0",))


def test_the_original_stays_as_it_was() -> None:
    module = mlp(nn.ReLU(), nn.PReLU()).eval()
    x = rows(3, 20)
    outputs, state = module(x), copy.deepcopy(module.state_dict())
    defended = sap(module, seed=0)
    defended.train()
    defended(x)
    assert torch.equal(module(x), outputs)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert not any(part.training for part in module.modules())
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert type(module) is nn.Sequential


class Counting(nn.Module):
    """A forward pass with side effects: a buffer, an attribute, torch's global generator."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        self.register_buffer("passes", torch.zeros(()))
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.last = x
        out: Tensor = self.body(x) + torch.randn(())
        return out


def test_defending_runs_nothing_on_the_original() -> None:
    module, state = Counting(), torch.get_rng_state()
    sap(module, seed=0)
    assert float(module.passes) == 0
    assert module.last is None
    assert torch.equal(torch.get_rng_state(), state)


def test_parameters_and_buffers_are_shared() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.PReLU(), nn.Linear(4, 2))
    defended = sap(module, seed=0)
    for kind in ("named_parameters", "named_buffers"):
        mine, theirs = dict(getattr(module, kind)()), dict(getattr(defended, kind)())
        assert {f"module.{name}" for name in mine} == set(theirs)
        assert all(value is theirs[f"module.{name}"] for name, value in mine.items())
    with torch.no_grad():
        module[2].weight.fill_(-1.0)
    assert defended.module[2].weight.tolist() == [-1.0]
    defended.to("cpu")
    defended.load_state_dict(defended.state_dict())
    assert defended.module[0].weight is module[0].weight


def test_shared_copy_shares_tensors_and_nothing_else() -> None:
    module = nature_network(4)
    twin = shared_copy(module)
    assert twin is not module
    assert twin.relu1 is not module.relu1
    assert twin.conv1.weight is module.conv1.weight
    assert torch.equal(twin(frames(2)), module(frames(2)))


def test_training_mode_changes_nothing_but_the_layers_own_behaviour() -> None:
    module = mlp().eval()
    x = rows(6, 20)
    defended, other = sap(module, seed=3), sap(module, seed=3)
    assert not defended.training
    defended.train()
    other.eval()
    first, second = defended(x), defended(x)
    assert torch.equal(first, other(x))
    assert torch.equal(second, other(x))
    assert not torch.equal(first, second), "random in train mode and in eval mode"


def test_mean_of_a_linear_readout_is_the_networks_output() -> None:
    module = mlp(nn.ReLU(), width=20)
    x = rows(1, 20)
    with torch.no_grad():
        out, wanted = sap(module, seed=0)(x.expand(50_000, -1)).double(), module(x)[0].double()
    z = (out.mean(0) - wanted) / (out.std(0) / len(out) ** 0.5)
    assert float(z.abs().max()) < 4.5


def test_keyword_inputs_and_other_outputs_pass_through() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp()

        def forward(self, x: Tensor, *, scale: float) -> dict[str, Tensor]:
            return {"q": self.body(x) * scale}

    out = sap(Both(), seed=0)(rows(2, 20), scale=0.0)
    assert torch.equal(out["q"], torch.zeros(2, 3))


def test_what_prints() -> None:
    assert "percent=50, sampler='exact', backward='mask'" in repr(sap(mlp(), percent=50))
    assert sap(mlp()).stochastic
    assert sap(mlp(), sampler="bernoulli").sampler_version == "bernoulli/2"
