"""Small networks and inputs, equal in every run."""

import torch
from torch import Tensor, nn


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
