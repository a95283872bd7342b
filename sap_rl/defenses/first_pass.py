"""What a network does in its first pass, for what tracing could not see."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sap_rl.defenses.activations import (
    ACTIVATIONS,
    FUNCTIONS,
    activates,
    functional_error,
    output_error,
)
from sap_rl.errors import UsageError


class _Watch(TorchFunctionMode):
    """Raises at a functional activation outside the activation modules; keeps what sites return."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.returned: list[tuple[str, Tensor]] = []

    def enter(self, _module: nn.Module, _args: Any) -> None:
        self.depth += 1

    def leave(self, _module: nn.Module, _args: Any, _output: Any) -> None:
        self.depth -= 1

    def keep(self, name: str, _module: nn.Module, _args: Any, output: Tensor) -> None:
        self.returned.append((name, output))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = FUNCTIONS.get(func) if self.depth == 0 else None
        if name and activates(name, args, kwargs or {}):
            raise functional_error(name, "the first pass")
        return func(*args, **(kwargs or {}))


def watched_pass(
    module: nn.Module, sites: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The output of one pass, refusing what tracing may have missed.

    Raises UsageError for a functional activation, for a site that makes the network's output, and
    where no site runs at all.
    """
    watch = _Watch()
    parts = [part for part in module.modules() if isinstance(part, ACTIVATIONS)]
    handles = [part.register_forward_pre_hook(watch.enter) for part in parts]
    handles += [part.register_forward_hook(watch.leave) for part in parts]
    for name in sites:
        hook = partial(watch.keep, name)
        handles.append(module.get_submodule(name).register_forward_hook(hook))
    try:
        with watch:
            out = module(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    if not watch.returned:
        raise UsageError(f"the first pass ran none of the activations {', '.join(sites)}")
    for name, value in watch.returned:
        if isinstance(out, Tensor) and _same_memory(out, value):
            raise output_error(name)
    return out


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
