"""What training does to images at random: a part of them, their mirror image, other colours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from sap_rl.pixels import to_unit
from sap_rl.types import Pixels, UnitFrames

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""


def augmented(
    pixels: Pixels, *, crop: int, padding: int, jitter: float, generator: torch.Generator
) -> Float[Tensor, "B K S S"]:
    """A random part of each padded image, half of them mirrored, in other colours."""
    return jittered(to_unit(cropped(pixels, crop, padding, generator)), jitter, generator)


def cropped(
    pixels: Pixels, side: int, padding: int, generator: torch.Generator
) -> UInt8[Tensor, "B K S S"]:
    """A `side` x `side` part of each image within a black border, every place and both
    directions equally likely."""
    padded = F.pad(pixels, [padding] * 4)
    count, channels, height, width = padded.shape
    top = torch.randint(height - side + 1, (count, 1), generator=generator)
    left = torch.randint(width - side + 1, (count, 1), generator=generator)
    mirror = torch.randint(2, (count, 1), generator=generator).bool()
    along = torch.arange(side)
    rows = (top + along)[:, None, :, None]
    columns = (left + torch.where(mirror, along.flip(0), along))[:, None, None, :]
    image = torch.arange(count)[:, None, None, None]
    return padded[image, torch.arange(channels)[None, :, None, None], rows, columns]


def jittered(images: UnitFrames, most: float, generator: torch.Generator) -> UnitFrames:
    """Saturation and contrast times, and brightness plus, up to `most`, each image its own."""
    if not most:
        return images
    shape = (3, len(images), 1, 1, 1)
    change = most * (2 * torch.rand(shape, generator=generator) - 1)
    saturation, contrast, brightness = change[0] + 1, change[1] + 1, change[2]
    grey = (images * Tensor(GREY)[:, None, None]).sum(1, keepdim=True)
    images = grey + (images - grey) * saturation
    mean = grey.mean((2, 3), keepdim=True)
    return (mean + (images - mean) * contrast + brightness).clamp_(0, 1)
