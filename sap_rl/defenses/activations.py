"""Where a network's hidden activations stand, and what cannot be reached."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from sap_rl.errors import UsageError

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Hardshrink, nn.Tanh, nn.Tanhshrink,
    nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Threshold, nn.GLU,
)  # fmt: skip
"""Activation modules; Softmax and its kin turn values into probabilities and are not among them."""

OPAQUE: tuple[type[nn.Module], ...] = (
    nn.RNNBase, nn.RNNCellBase, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip
"""Modules of torch.nn with activations inside that no hook reaches."""

_NAMES = (
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "elu", "elu_", "selu",
    "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid", "hardtanh", "hardshrink", "tanh",
    "tanhshrink", "sigmoid", "logsigmoid", "softplus", "softshrink", "softsign", "threshold", "glu",
    "clamp_min", "clamp_min_", "clamp", "clamp_", "clip", "clip_",
)  # fmt: skip
_CLIPS = ("clamp", "clamp_", "clip", "clip_")
FUNCTIONS: dict[Any, str] = {
    getattr(home, name): name
    for home in (torch, F, torch.Tensor)
    for name in _NAMES
    if hasattr(home, name)
}
"""Functions and methods that make an activation without a module, by name."""


class _Tracer(fx.Tracer):
    """Records every call down to torch.nn's own modules and the activation modules."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, ACTIVATIONS) or super().is_leaf_module(m, module_qualified_name)


def activation_names(module: nn.Module, skip: tuple[str, ...]) -> dict[str, nn.Module]:
    """Name -> activation module to prune after; an instance under several names appears once.

    Raises UsageError for an unknown name in `skip`, for activations that cannot be reached and for
    an activation that makes the network's output, all by name, and where no activation is left.
    """
    modules = dict(module.named_modules(remove_duplicate=False))
    for name in skip:
        if not isinstance(modules.get(name), ACTIVATIONS):
            known = ", ".join(n for n, m in modules.items() if isinstance(m, ACTIVATIONS)) or "none"
            raise UsageError(f"skip: '{name}' is not an activation module; they are: {known}")
    for name, part in modules.items():
        if isinstance(part, OPAQUE):
            raise UsageError(
                f"'{name}' ({type(part).__name__}) has activations inside that cannot be pruned"
            )
    skipped = {id(modules[name]) for name in skip}
    sites: dict[int, tuple[str, nn.Module]] = {}
    for name, part in modules.items():
        if isinstance(part, ACTIVATIONS) and id(part) not in skipped:
            sites.setdefault(id(part), (name, part))
    if not sites:
        raise UsageError(
            f"{type(module).__name__} has no activation module to prune"
            + (f" besides the skipped {', '.join(skip)}" if skip else "; functional calls such as "
               "torch.relu(x) must become modules such as nn.ReLU()")
        )  # fmt: skip
    _refuse_unreachable(module, {name for name, _ in sites.values()})
    return dict(sites.values())


def _refuse_unreachable(module: nn.Module, sites: set[str]) -> None:
    """What tracing can see before the first pass; a network that cannot be traced passes."""
    try:
        graph = _Tracer().trace(module)
    except Exception:  # data-dependent control flow; `refuse_functions` watches the first pass
        return
    for node in graph.nodes:
        name = FUNCTIONS.get(node.target) if node.op == "call_function" else None
        if node.op == "call_method" and node.target in _NAMES:
            name = str(node.target)
        if _activation_name(name, node.args, node.kwargs):
            raise _functional_error(str(name), f"'{node.name}'")
        if node.op == "call_module" and node.target in sites and _is_output(node):
            raise UsageError(
                f"activation '{node.target}' makes the network's output, which is never pruned; "
                f'leave it out with skip=("{node.target}",)'
            )


def _is_output(node: fx.Node) -> bool:
    passthrough = (operator.getitem,)
    return any(
        user.op == "output" or (user.target in passthrough and _is_output(user))
        for user in node.users
    )


def _functional_error(name: str, where: str) -> UsageError:
    """The refusal of an activation that is a function call."""
    return UsageError(
        f"functional activation {name} at {where} cannot be pruned and the network would be half "
        "defended; make it a module such as nn.ReLU()"
    )


@contextmanager
def refuse_functions(module: nn.Module) -> Iterator[None]:
    """Raise at any functional activation that runs outside the module's activation modules."""
    depth = 0

    def enter(_module: nn.Module, _args: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
        nonlocal depth
        depth -= 1

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if depth == 0 and (name := _activation_name(FUNCTIONS.get(func), args, kwargs)):
                raise _functional_error(name, "the first pass")
            return func(*args, **kwargs)

    parts = [part for part in module.modules() if isinstance(part, ACTIVATIONS)]
    handles = [part.register_forward_pre_hook(enter) for part in parts]
    handles += [part.register_forward_hook(leave) for part in parts]
    try:
        with Watch():
            yield
    finally:
        for handle in handles:
            handle.remove()


def _activation_name(name: str | None, args: Any, kwargs: Any) -> str | None:
    """The name, unless the call clips on both sides: that is no activation."""
    both_sides = kwargs.get("max", args[2] if len(args) > 2 else None) is not None
    return None if name in _CLIPS and both_sides else name


def shared_copy(module: nn.Module) -> nn.Module:
    """A copy of the module's structure that shares every Parameter and buffer."""
    tensors = chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
