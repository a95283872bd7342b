"""Which frames a network takes, where it does not take those that it is shown: the cure to name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

from sap_rl.atari.preprocess import LARGEST, Preprocess
from sap_rl.networks.nature import CHANNELS, FRAME_SIZE, SMALLEST, conv_features, conv_side
from sap_rl.networks.scale import takes_pixels

SIDES = (FRAME_SIZE, 64, 80, 96, 72, 128, 160, 48, 40, 36)
USUAL = (*((side, side) for side in SIDES), (105, 80), (110, 84), (210, 160))
"""Heights and widths of frames that people train on; a screen has 210x160."""
NARROWEST = 2
"""No frame is so many times as high as wide."""


def size_cure(features: int, sees: Preprocess) -> str:
    """What to say where a Nature network's dense layer takes so many features and its frames do not
    make them; nothing where they do."""
    if features == conv_features(*sees.seen_size):
        return ""
    found = _rows_and_columns(features)
    if found is None:
        return (
            f"its {features} features are of other convolutions than Nature's: load it where it "
            "was trained and pass the module"
        )
    high, wide = _pixels_of(found[0]), _pixels_of(found[1])
    usual = next(((h, w) for h, w in USUAL if h in high and w in wide), (high[0], wide[0]))
    padded = found[0] == found[1] and found[0] in _padded_sides()
    beside = f"{FRAME_SIZE}x{FRAME_SIZE} ones that its convolutions pad (pass the module), or of "
    return (
        f"its {features} features are of {beside if padded else ''}frames of {high[0]}..{high[-1]} "
        f"by {wide[0]}..{wide[-1]} pixels, such as {usual[0]}x{usual[1]}: say "
        f"{(said := _size(usual, sees))} in preprocess (--preprocess {said})"
    )


def _size(size: tuple[int, int], sees: Preprocess) -> str:
    height, width = size[::-1] if sees.layout == "columns_first" else size
    return f"height={height} width={width}"


def _rows_and_columns(features: int) -> tuple[int, int] | None:
    """The likeliest shape of so many features: square, or higher than wide as a screen is."""
    cells, rest = divmod(features, CHANNELS)
    pairs = ((cells // wide, wide) for wide in range(1, cells + 1) if cells % wide == 0)
    fit = [
        (high, wide)
        for high, wide in pairs
        if wide <= high < NARROWEST * wide and len(_pixels_of(high)) == len(_pixels_of(1))
    ]
    return min(fit, key=lambda pair: pair[0] / pair[1], default=None) if not rest else None


def _pixels_of(side: int) -> list[int]:
    """The sides in pixels of which the convolutions make this one."""
    return [n for n in range(SMALLEST, LARGEST["height"] + 1) if conv_side(n) == side]


def _padded_sides() -> set[int]:
    """What the convolutions make of usual frames where they pad them."""
    paddings = product(range(5), range(3), range(2))
    return {conv_side(FRAME_SIZE, padding) for padding in paddings if any(padding)}


def frames_cure(module: nn.Module, sees: Preprocess, device: torch.device) -> str:
    """What to say where a module does not take the frames that it is shown: those that it takes, as
    far as trying tells; the general cure where nothing does."""
    convolution = next((m for m in module.modules() if isinstance(m, nn.Conv2d)), None)
    planes = sees.shape[0] if convolution is None else convolution.in_channels
    for size in dict.fromkeys((sees.seen_size, *USUAL)):
        if _takes(module, (planes, *size), device):
            return f"; it takes {planes} planes of {size[0]}x{size[1]}: {_said(planes, size, sees)}"
    for name, shown in VIEWS.items():
        if _takes(module, shown(torch.zeros(1, *sees.shape)).shape[1:], device):
            divides = takes_pixels(partial(_viewed, module, shown), sees.shape, device)
            view = f"pixels.{name}" if divides else f"pixels.{name} / 255"
            return f"; it takes pixels.{name}: say preprocess=lambda pixels: {view}"
    return (
        "; say what it sees in preprocess (frames, height, width, grey=none for colour), or wrap "
        "it in a module whose forward(frames) gives the scores"
    )


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "permute(0, 2, 3, 1)": lambda x: x.permute(0, 2, 3, 1),
    "flatten(1)": lambda x: x.flatten(1),
    "unsqueeze(2)": lambda x: x.unsqueeze(2),
}
"""Other forms of the same frames [B, K, H, W]: channels last, flat, a sequence of pictures."""


def _viewed(module: nn.Module, shown: Callable[[Tensor], Tensor], obs: Tensor) -> Tensor:
    found: Tensor = module(shown(obs))
    return found


def _said(planes: int, size: tuple[int, int], sees: Preprocess) -> str:
    """The entries of a preprocessing that make such frames."""
    frames = f"frames={planes}"
    if planes % 3 == 0:
        frames += f" or, in colour, frames={planes // 3} grey=none"
    parts = [frames] if planes != sees.shape[0] else []
    parts += [_size(size, sees)] if size != sees.seen_size else []
    return f"say {' and '.join(parts)} in preprocess"


def _takes(module: nn.Module, shape: tuple[int, ...], device: torch.device) -> bool:
    try:
        with torch.no_grad():
            values = module(torch.zeros(2, *shape, device=device))
    except Exception:  # whatever a module raises
        return False
    return isinstance(values, Tensor) and values.ndim == 2 and len(values) == 2
