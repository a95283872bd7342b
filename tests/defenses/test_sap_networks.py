"""SAP on whole networks: where it prunes, what it refuses, what it leaves alone."""

import copy
from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sap_rl import UsageError, sap
from sap_rl.defenses.activations import ACTIVATIONS, shared_copy
from sap_rl.defenses.sap import Site
from sap_rl.networks.nature import nature_network
from tests.defenses.naive_sap import marginal_excess


def frames(batch: int) -> Tensor:
    return torch.rand(batch, 4, 84, 84, generator=torch.Generator().manual_seed(0))


def rows(batch: int, features: int) -> Tensor:
    return torch.randn(batch, features, generator=torch.Generator().manual_seed(1))


def mlp(*activations: nn.Module, width: int = 20) -> nn.Sequential:
    """Hidden layers of `width` with the given activations, 3 outputs."""
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for activation in activations or (nn.ReLU(), nn.ReLU()):
        parts += [nn.Linear(width, width), activation]
    return nn.Sequential(*parts, nn.Linear(width, 3))


def seen(module: nn.Module, name: str) -> list[Tensor]:
    """What later layers receive from the submodule, filled by passes."""
    values: list[Tensor] = []
    module.get_submodule(name).register_forward_hook(lambda m, a, out: values.append(out.detach()))
    return values


def sites(module: nn.Module) -> list[tuple[str, int, int]]:
    return [(site.name, site.size, site.draws) for site in module.sites]


# Where


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


# What is refused


class Functional(nn.Module):
    """A module activation, then the given call; `branch` makes it impossible to trace."""

    def __init__(self, call: Callable[[Tensor], Tensor], *, branch: bool = False) -> None:
        super().__init__()
        self.one, self.act, self.two = nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8)
        self.head, self.call, self.branch = nn.Linear(8, 2), call, branch

    def forward(self, x: Tensor) -> Tensor:
        if self.branch and float(x.sum()) > 1e9:
            return x
        out: Tensor = self.head(self.call(self.two(self.act(self.one(x)))))
        return out


CALLS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu of torch": torch.relu,
    "relu method": lambda x: x.relu(),
    "relu_": lambda x: x.relu_(),
    "relu_ of F": lambda x: F.relu_(x),
    "clamp": lambda x: x.clamp(min=0),
    "clamp first": lambda x: x.clamp(0.0),
    "clamp of torch": lambda x: torch.clamp(x, min=0),
    "clamp_min": lambda x: x.clamp_min(0),
    "clamp_": lambda x: x.clamp_(min=0),
    "tanh": torch.tanh,
    "tanh_": lambda x: x.tanh_(),
    "sigmoid": lambda x: x.sigmoid(),
    "gelu": lambda x: F.gelu(x),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "maximum": lambda x: torch.maximum(x, torch.zeros(())),
}


@pytest.mark.parametrize("name", CALLS)
def test_functional_activations_are_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=rf"activation {name.split()[0]} in Functional cannot"):
        sap(Functional(CALLS[name]))
    later = sap(Functional(CALLS[name], branch=True))
    with pytest.raises(UsageError, match=rf"activation {name.split()[0]} in the first pass"):
        later(rows(2, 4))
    with pytest.raises(UsageError, match="first pass"):
        later(rows(2, 4))


def test_the_refusal_names_the_submodule() -> None:
    with pytest.raises(UsageError, match=r"activation relu in '1' cannot"):
        sap(nn.Sequential(nn.Linear(4, 4), Functional(F.relu)))


@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.clamp(0, 255),
        lambda x: torch.clamp(x, max=3),
        lambda x: x / x.norm().clamp_min(1e-8),
        lambda x: F.softmax(x, 1),
    ],
)
def test_calls_that_are_no_activations_pass(call: Callable[[Tensor], Tensor], branch: bool) -> None:
    defended = sap(Functional(call, branch=branch), seed=0)
    defended(rows(2, 4))
    assert sites(defended) == [("act", 8, 8)]
    defended(rows(3, 4))


def test_networks_without_an_activation_are_refused() -> None:
    with pytest.raises(UsageError, match="Linear has no activation module to prune; functional"):
        sap(nn.Linear(3, 2))
    with pytest.raises(UsageError, match="no activation module"):
        sap(nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)))


@pytest.mark.parametrize(
    "tail", [(), (nn.Flatten(),), (nn.Identity(), nn.Dropout(0.5)), (nn.Unflatten(1, (2, 1)),)]
)
def test_an_activation_that_makes_the_output_is_refused(tail: tuple[nn.Module, ...]) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Tanh(), *tail)
    with pytest.raises(UsageError, match=r"activation '3' makes the network's output.*skip"):
        sap(module)
    defended = sap(module, skip=("3",), seed=0)
    defended(rows(2, 3))
    assert sites(defended) == [("1", 4, 4)]
    with pytest.raises(UsageError, match="makes the network's output"):
        sap(nn.Sequential(nn.ReLU(), *tail))


class Output(nn.Module):
    """`post` on an activation's values as the output; `branch` as above."""

    def __init__(self, post: Callable[[Tensor], Tensor], *, branch: bool = False) -> None:
        super().__init__()
        self.one, self.act, self.two = nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4)
        self.last, self.post, self.branch = nn.Tanh(), post, branch

    def forward(self, x: Tensor) -> Tensor:
        if self.branch and float(x.sum()) > 1e9:
            return x
        return self.post(self.last(self.two(self.act(self.one(x)))))


@pytest.mark.parametrize(
    "post",
    [
        lambda x: x,
        lambda x: x.view(-1, 2, 2),
        lambda x: x.flatten(1)[:, :3],
        lambda x: torch.reshape(x, (-1, 2, 2)),
        lambda x: 2 * x + 1,
    ],
)
def test_an_output_in_another_shape_is_refused(post: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(UsageError, match="'last' makes the network's output"):
        sap(Output(post))


def test_an_output_that_tracing_cannot_see_is_refused_in_the_first_pass() -> None:
    defended = sap(Output(lambda x: x.view(-1, 2, 2), branch=True))
    with pytest.raises(UsageError, match="'last' makes the network's output"):
        defended(rows(2, 3))
    sap(Output(lambda x: x @ x.T, branch=True))(rows(2, 3))


class Weightless(nn.Module):
    """A head whose weights are bare Parameters, as noisy layers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.weight = nn.Parameter(torch.ones(2, 4))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.body(x), self.weight)


def test_a_head_of_bare_parameters_is_a_layer() -> None:
    defended = sap(Weightless(), seed=0)
    defended(rows(2, 3))
    assert sites(defended) == [("body.1", 4, 4)]


@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(4, 4),
        nn.GRU(4, 4),
        nn.LSTMCell(4, 4),
        nn.TransformerEncoderLayer(4, 1),
        nn.TransformerDecoderLayer(4, 1),
    ],
)
def test_layers_with_activations_out_of_reach_are_refused(layer: nn.Module) -> None:
    module = nn.Sequential(OrderedDict(one=nn.Linear(4, 4), act=nn.ReLU(), inner=layer))
    with pytest.raises(UsageError, match=rf"'inner' \({type(layer).__name__}\) has activations"):
        sap(module)


class SideEffect(nn.Module):
    """An in-place activation whose input is used again."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.act, self.two = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        self.act(x)
        out: Tensor = self.two(x)
        return out


def test_values_that_escape_through_an_in_place_activation_are_refused() -> None:
    with pytest.raises(UsageError, match="activation 'act' works in place and its input is used"):
        sap(SideEffect())


class Unused(nn.Module):
    """An activation by arithmetic beside a module that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.act, self.two = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        out: Tensor = self.two(x * (x > 0))
        return out


def test_a_pass_that_prunes_nothing_is_refused() -> None:
    defended = sap(Unused())
    with pytest.raises(UsageError, match="first pass ran none of the activations act"):
        defended(rows(2, 4))


def test_what_is_pruned_already_is_refused() -> None:
    defended = sap(mlp(), seed=0)
    for pruned in (defended, defended.module, nn.Sequential(defended, nn.Linear(3, 3))):
        with pytest.raises(UsageError, match="pruned by SAP already; give the original"):
            sap(pruned)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"percent": 0}, "percent must be a positive number, got 0"),
        ({"percent": -5}, "got -5"),
        ({"percent": float("nan")}, "got nan"),
        ({"percent": float("inf")}, "got inf"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sap(mlp(), **options)


def test_unknown_choices_are_refused_with_the_known_ones() -> None:
    unchecked = getattr(sap, "__wrapped__", sap)
    with pytest.raises(UsageError, match="unknown sampler 'poisson'; choose from exact, bern"):
        unchecked(mlp(), sampler="poisson")
    with pytest.raises(UsageError, match="unknown backward mode 'bpda'; choose from mask, full"):
        unchecked(mlp(), backward="bpda")


def test_activations_that_give_no_batch_are_refused() -> None:
    defended = sap(mlp(nn.ReLU(), width=4), seed=0)
    with pytest.raises(UsageError, match=r"activation '1' must give a tensor \[B, ...\]"):
        defended(torch.ones(4))


# What stays


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
    assert sap(mlp(), sampler="bernoulli").sampler_version == "bernoulli/1"
