"""What a network's values can be within a ball, by interval arithmetic.

Gowal et al. 2018 (arXiv 1810.12715). Sound: no perturbation within the budget leaves the bounds.
Far from tight on networks that were not trained for it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sap_rl.errors import UsageError
from sap_rl.types import Actions, QValues, UnitFrames


def worst_margins(module: nn.Module, obs: UnitFrames, label: Actions, eps: float) -> QValues:
    """Upper bounds [B, A] of Q(x', a) - Q(x', label) over frames x' within eps of obs [B, K, H, W].

    eps in unit scale; x' stays within 0..1; 0 for the label itself. An action is certified where
    all others are below 0. The last layer is taken together with the difference (Gowal et al.,
    section 3). UsageError names a layer that has no rule. Differentiable towards the parameters.
    """
    layers = list(_layers(module))
    if not layers or not isinstance(layers[-1], nn.Linear):
        raise UsageError(f"bounds need a network that ends in a Linear layer, not {module}")
    low, high = (obs - eps).clamp(0, 1), (obs + eps).clamp(0, 1)
    middle, radius = (high + low) / 2, (high - low) / 2
    for layer in layers[:-1]:
        middle, radius = _through(layer, middle, radius)
    last = layers[-1]
    middle, radius = middle.to(last.weight.dtype), radius.to(last.weight.dtype)
    weight = last.weight[None] - last.weight[label][:, None]  # [B, A, F]
    bias = last.bias[None] - last.bias[label][:, None] if last.bias is not None else 0.0
    found: Tensor = (
        (weight @ middle[..., None]).squeeze(2)
        + bias
        + (weight.abs() @ radius[..., None]).squeeze(2)
    )
    return found.float()


def _layers(module: nn.Module) -> list[nn.Module]:
    """The layers of a plain sequence, in order."""
    if not isinstance(module, nn.Sequential):
        raise UsageError(
            f"bounds are known for a Sequential of layers, not for {type(module).__name__}"
        )
    found = []
    for part in module:
        found += _layers(part) if isinstance(part, nn.Sequential) else [part]
    return found


def _through(layer: nn.Module, middle: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and radius of a box that holds everything the layer makes of the given one."""
    if isinstance(layer, nn.Conv2d | nn.Linear):  # a network in half precision mixes dtypes
        middle, radius = middle.to(layer.weight.dtype), radius.to(layer.weight.dtype)
    if isinstance(layer, nn.Conv2d):
        if layer.padding_mode != "zeros":
            raise UsageError(f"no bounds through {layer}")
        return layer(middle), layer._conv_forward(radius, layer.weight.abs(), None)
    if isinstance(layer, nn.Linear):
        return layer(middle), F.linear(radius, layer.weight.abs())
    if isinstance(layer, nn.ReLU):
        low, high = (middle - radius).relu(), (middle + radius).relu()
        return (high + low) / 2, (high - low) / 2
    if isinstance(layer, nn.Flatten | nn.Identity):
        return layer(middle), layer(radius)
    raise UsageError(f"no bounds through {type(layer).__name__}")
