"""Images that tests make: colours that say the class, so that a network can learn them."""

from __future__ import annotations

import torch

from sap_rl.vision.data import Images


def made_images(count: int, *, classes: int = 10, side: int = 32, seed: int = 0) -> Images:
    """Noise around a colour of the class; the classes take turns."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    colours = torch.randint(40, 216, (classes, 3, 1, 1), generator=torch.Generator().manual_seed(9))
    noise = torch.randint(-40, 40, (count, 3, side, side), generator=generator)
    return Images((colours[labels] + noise).to(torch.uint8), labels)
