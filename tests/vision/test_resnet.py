"""The paper's network: its sites, what its shortcuts read, and SAP's laws at its sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sap_rl import sap
from sap_rl.defenses.sap import prune
from sap_rl.errors import UsageError
from sap_rl.seeds import Stream
from sap_rl.vision.resnet import ResNet20, Unit


def test_nineteen_sites_with_the_papers_draws() -> None:
    defended = sap(ResNet20().eval(), percent=100, seed=0)
    with torch.no_grad():
        defended(torch.rand(1, 3, 28, 28))
    assert [site.draws for site in defended.sites] == [12544] * 7 + [6272] * 6 + [3136] * 6
    assert all(site.draws == site.size for site in defended.sites)
    first, *_, last = defended.sites
    assert (first.name, last.name) == ("units.0.relu1", "relu")


def test_half_the_percentage_is_half_the_draws_at_other_sizes() -> None:
    defended = sap(ResNet20().eval(), percent=50, seed=0)
    with torch.no_grad():
        defended(torch.rand(1, 3, 32, 32))
    assert [site.draws for site in defended.sites] == [8192] * 7 + [4096] * 6 + [2048] * 6


def test_multiplications_of_an_image() -> None:
    """41 million for 32x32, counted by hand per convolution: weights times places of its output."""
    network, found = ResNet20().eval(), []

    def count(layer: nn.Module, _args: object, output: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        found.append(layer.weight.numel() * output[0, 0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.rand(1, 3, 32, 32))
    stages = [6 * 9 * 16**2 * 1024, 9 * 16 * 32 * 256 + 5 * 9 * 32**2 * 256]
    stages += [9 * 32 * 64 * 64 + 5 * 9 * 64**2 * 64, 27 * 16 * 1024, 16 * 32 * 256 + 32 * 64 * 64]
    assert sum(found) == sum(stages) == 40_812_544


def test_the_shortcut_reads_the_pruned_map() -> None:
    defended = sap(nn.Sequential(Unit(4, 8, stride=2), nn.Flatten(), nn.Linear(8 * 16, 2)), seed=0)
    unit, read = defended.module[0], {}
    assert isinstance(unit, Unit)
    for name in ("conv1", "shortcut"):
        layer = unit.get_submodule(name)
        layer.register_forward_pre_hook(
            lambda _layer, args, name=name: read.update({name: args[0]})
        )
    before = {}
    unit.norm1.register_forward_hook(lambda _layer, _args, out: before.update(map=out))
    with torch.no_grad():
        defended(torch.rand(2, 4, 8, 8))
    assert torch.equal(read["shortcut"], read["conv1"])
    dropped = (before["map"] > 0) & (read["shortcut"] == 0)
    assert 0.1 < float(dropped.float().mean()) < 0.3


def test_a_unit_of_one_size_adds_its_input() -> None:
    unit = Unit(4, 4, stride=1).eval()
    nn.init.zeros_(unit.conv2.weight)
    x = torch.rand(2, 4, 8, 8)
    assert unit.shortcut is None
    assert torch.equal(unit(x), x)


@pytest.mark.parametrize(("size", "percent"), [(12544, 100), (6272, 50), (3136, 150)])
def test_saps_laws_at_the_papers_sizes(size: int, percent: int) -> None:
    """Share kept 1 - (1 - p)^r, and the map itself in the mean."""
    torch.manual_seed(0)
    h = torch.randn(1, size).relu()
    draws, passes = size * percent // 100, 200
    stream = Stream(0)
    found = prune(
        h.expand(passes, size), draws=draws, sampler="exact", backward="mask", stream=stream
    )
    p = (h / h.sum()).double()[0]
    keep = -torch.expm1(draws * torch.log1p(-p))
    kept = float((found > 0).double().sum(1).mean())
    # The standard error of the mean count is at most sqrt(sum keep (1 - keep) / passes).
    error = float((keep * (1 - keep)).sum() / passes) ** 0.5
    assert kept == pytest.approx(float(keep.sum()), abs=5 * error)
    total = float(found.double().sum(1).mean())
    spread = float((h[0].double() ** 2 * (1 - keep) / keep.clamp_min(1e-12)).sum() / passes) ** 0.5
    assert total == pytest.approx(float(h.sum()), abs=5 * spread)


def test_one_class_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 classes, got 1"):
        ResNet20(1)
