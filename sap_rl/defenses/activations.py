"""Where a network's hidden activations stand, and what cannot be reached."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from sap_rl.errors import UsageError
from sap_rl.seeds import stream_seed

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Hardshrink, nn.Tanh, nn.Tanhshrink,
    nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Threshold, nn.GLU,
)  # fmt: skip
"""Activation modules; Softmax and its kin turn values into probabilities and are not among them."""

PLAIN: tuple[type[nn.Module], ...] = (
    *(kind for kind in ACTIVATIONS if kind is not nn.RReLU), nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.Linear, nn.Flatten, nn.Identity,
)  # fmt: skip
"""Layers that draw no random numbers and keep examples apart."""

OPAQUE: tuple[type[nn.Module], ...] = (
    nn.RNNBase, nn.RNNCellBase, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip
"""Modules of torch.nn with activations inside that no hook reaches."""

_STEMS = (
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "hardtanh", "hardshrink", "tanh", "tanhshrink", "sigmoid",
    "logsigmoid", "softplus", "softshrink", "softsign", "threshold", "glu", "maximum",
    "clamp", "clamp_min", "clip",
)  # fmt: skip
_NAMES = {stem + suffix for stem in _STEMS for suffix in ("", "_")}
_CLIPS = ("clamp", "clamp_min", "clip")
FUNCTIONS: dict[Any, str] = {
    getattr(home, name): name
    for home in (torch, F, torch.Tensor)
    for name in _NAMES
    if hasattr(home, name)
}
"""Functions and methods that make an activation without a module, by name."""

_PASSING_MODULES = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout)
_PASSING_NAMES = {
    "add", "contiguous", "flatten", "float", "getitem", "mul", "reshape", "squeeze", "sub", "to",
    "truediv", "unsqueeze", "view",
}  # fmt: skip
"""What an activation that makes the network's output may still go through."""


class _Tracer(fx.Tracer):
    """Records every call down to torch.nn's own modules and the activation modules."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # Convolutions of our own may decide by what a traced value does not know.
        leaf = isinstance(m, (*ACTIVATIONS, nn.Conv2d))
        return leaf or super().is_leaf_module(m, module_qualified_name)


def activation_names(module: nn.Module, skip: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the activation modules to prune after; one instance under two names appears once.

    Raises UsageError for an unknown name in `skip`, for activations that cannot be reached and for
    an activation that makes the network's output, all by name, and where no activation is left.
    """
    modules = dict(module.named_modules(remove_duplicate=False))
    for name, part in modules.items():
        if isinstance(part, OPAQUE):
            raise UsageError(
                f"'{name}' ({type(part).__name__}) has activations inside that cannot be pruned"
            )
    found = {name: part for name, part in modules.items() if isinstance(part, ACTIVATIONS)}
    for name in skip:
        if name not in found:
            known = ", ".join(found) or "none"
            raise UsageError(f"skip: '{name}' is not an activation module; they are: {known}")
    taken = {id(found[name]) for name in skip}
    sites = []
    for name, part in found.items():
        if id(part) not in taken:
            taken.add(id(part))
            sites.append(name)
    if not sites:
        left_out = f" besides the skipped {', '.join(skip)}" if skip else ""
        raise UsageError(
            f"{type(module).__name__} has no activation module to prune{left_out}; functional "
            "calls such as torch.relu(x) must become modules such as nn.ReLU()"
        )
    _refuse_unreachable(module, set(sites))
    return tuple(sites)


def _refuse_unreachable(module: nn.Module, sites: set[str]) -> None:
    """What tracing can see before the first pass; a network that cannot be traced passes."""
    module = copy.deepcopy(module)  # tracing runs forward, which may change buffers
    try:
        with torch.random.fork_rng(devices=[]):
            nodes = list(_Tracer().trace(module).nodes)
    except Exception:  # data-dependent control flow; `watched_pass` sees the first pass
        return
    for place, node in enumerate(nodes):
        name = FUNCTIONS.get(node.target) if node.op == "call_function" else None
        if node.op == "call_method" and node.target in _NAMES:
            name = str(node.target)
        if name and activates(name, node.args, node.kwargs):
            raise functional_error(name, _place(node, module))
        if node.op == "call_module" and node.target in sites:
            _refuse_site(module, node, set(nodes[place + 1 :]))


def _refuse_site(module: nn.Module, node: fx.Node, later: set[fx.Node]) -> None:
    """Refuse an activation that makes the output, or whose values are used without pruning."""
    if _is_output(node, module):
        raise output_error(str(node.target))
    in_place = getattr(module.get_submodule(str(node.target)), "inplace", False)
    if in_place and any(later & source.users.keys() for source in node.all_input_nodes):
        raise UsageError(
            f"activation '{node.target}' works in place and its input is used again later, where "
            "it would not be pruned; use the value that the activation returns"
        )


def _place(node: fx.Node, module: nn.Module) -> str:
    """The innermost module whose forward makes the call."""
    inside = list(node.meta.get("nn_module_stack", ()))
    return f"'{inside[-1]}'" if inside else type(module).__name__


def _is_output(node: fx.Node, module: nn.Module) -> bool:
    """Whether the value becomes the network's output without another layer in between."""
    for user in node.users:
        if user.op == "call_module":
            passing = isinstance(module.get_submodule(str(user.target)), _PASSING_MODULES)
        else:
            passing = getattr(user.target, "__name__", user.target) in _PASSING_NAMES
        if user.op == "output" or (passing and _is_output(user, module)):
            return True
    return False


def activates(name: str, args: Any, kwargs: Any) -> bool:
    """Whether the call is an activation: a clamp is one where it only cuts off below 0."""
    if name.removesuffix("_") not in _CLIPS:
        return True
    low, high = (*args[1:], None, None)[:2]
    low, high = kwargs.get("min", low), kwargs.get("max", high)
    return isinstance(low, int | float) and low == 0 and high is None


def functional_error(name: str, where: str) -> UsageError:
    """The refusal of an activation that is a function call."""
    return UsageError(
        f"functional activation {name} in {where} cannot be pruned and the network would be half "
        "defended; make it a module such as nn.ReLU()"
    )


def output_error(name: str) -> UsageError:
    """The refusal of an activation whose values are the network's."""
    return UsageError(
        f"activation '{name}' makes the network's output, which is never pruned; "
        f'leave it out with skip=("{name}",)'
    )


def starts_plainly(module: nn.Module, site: str) -> bool:
    """Whether a sequence of deterministic layers leads to the activation `site` and past it, each
    example on its own: what it gives n copies of an example is n copies of what it gives one."""
    if not isinstance(module, nn.Sequential) or site not in module._modules:
        return False
    names = list(module._modules)
    before = [module._modules[name] for name in names[: names.index(site) + 1]]
    return all(isinstance(part, PLAIN) for part in before)


def shared_copy(module: nn.Module) -> nn.Module:
    """A copy of the module's structure that shares every Parameter and buffer."""
    tensors = chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def copies_of(values: Tensor, count: int) -> Tensor:
    """[B, ...] -> [count * B, ...], the whole batch after itself."""
    return values.repeat(count, *(1,) * (values.ndim - 1))


def has_streams(module: nn.Module) -> bool:
    """Whether anything in it draws random numbers of its own, which `reseed` starts again."""
    return any(callable(getattr(part, "reseed", None)) for part in module.modules())


def reseed_parts(module: nn.Module, seed: int) -> None:
    """New streams for the random modules inside, each named by its place."""
    for name, part in module.named_modules():
        reseed = getattr(part, "reseed", None)
        if callable(reseed):
            reseed(stream_seed(seed, name))
