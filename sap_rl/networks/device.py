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
        reason = str(error).splitlines()[0].partition(". ")[0]
        raise UsageError(
            f"device '{device}' cannot be used: {reason}; say for example cpu"
        ) from None
    return place
