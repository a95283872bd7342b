"""What SAP refuses, by name, rather than defend half of a network."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sap_rl import UsageError, sap
from tests.defenses.toys import mlp, rows, sites


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
