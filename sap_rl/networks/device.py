"""Where tensors are computed."""

from __future__ import annotations

import torch

from sap_rl.errors import UsageError


def usable_device(device: str | torch.device) -> torch.device:
    """A device on which something was computed; UsageError for one that is not there."""
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).tolist()
    except (RuntimeError, AssertionError, ImportError) as error:
        raise UsageError(
            f"device '{device}' cannot be used: {str(error).splitlines()[0]}"
        ) from None
    return place
