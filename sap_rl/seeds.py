"""One integer becomes independent named streams of random numbers."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
import torch
from torch import Tensor

from sap_rl.versions import RENAMED


def stream_seed(seed: int, *path: str | int) -> int:
    """A 63-bit seed for the stream named by `path`, e.g. `stream_seed(0, "env", 17)`.

    Streams in use: env, block, policy, meter, victim, attack, fit, epsilon, action, match,
    bootstrap, corruption, camera, and in training train-env, train-policy, train-replay,
    train-init, of classifiers classifier-init, classifier-epoch, classifier-player,
    classifier-victim, classifier-attack.
    """
    text = "/".join(RENAMED.get(str(part), str(part)) for part in (seed, *path)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def numpy_stream(seed: int, *path: str | int) -> np.random.Generator:
    """A numpy generator for the stream named by `path`."""
    return np.random.Generator(np.random.SFC64(stream_seed(seed, *path)))


def torch_stream(
    seed: int, *path: str | int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """A torch generator for the stream named by `path`."""
    return torch.Generator(device).manual_seed(stream_seed(seed, *path))


NUMPY_DEVICES = ("cpu",)
"""Device types whose streams are numpy's."""


class Stream:
    """Random tensors on whatever device is asked for, reproducible from one seed.

    On the CPU numbers come from numpy's SFC64 (torch's CPU generator costs five times as much per
    exponential), elsewhere from a torch.Generator of that device. Each device has a generator of
    its own. deepcopy and pickle keep the state; `Stream(seed)` starts again.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = secrets.randbits(63) if seed is None else seed
        self._numpy = numpy_stream(self.seed, "cpu")
        self._torch: dict[str, torch.Generator] = {}

    def _on(self, device: torch.device) -> torch.Generator:
        key = str(device)
        if key not in self._torch:
            self._torch[key] = torch_stream(self.seed, key, device=device)
        return self._torch[key]

    def key(self) -> np.uint64:
        """64 random bits, for a kernel on the CPU that counts its own numbers from there."""
        return self._numpy.integers(2**64, dtype=np.uint64)

    def uniform(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """Uniform float32 numbers in [0, 1), multiples of 2^-24."""
        if device.type in NUMPY_DEVICES:
            return torch.from_numpy(self._numpy.random(shape, dtype=np.float32))
        return torch.rand(shape, generator=self._on(device), device=device)

    def exponential(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """Exponential float32 numbers of mean 1."""
        if device.type in NUMPY_DEVICES:
            return self.uniform(shape, device).neg_().log1p_().neg_()
        return torch.empty(shape, device=device).exponential_(generator=self._on(device))

    def normal(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """Normal float32 numbers of mean 0 and standard deviation 1."""
        if device.type in NUMPY_DEVICES:
            return torch.from_numpy(self._numpy.standard_normal(shape, dtype=np.float32))
        return torch.randn(shape, generator=self._on(device), device=device)

    def poisson(self, rate: Tensor) -> Tensor:
        """Poisson int64 counts of the given mean, elementwise."""
        if rate.device.type in NUMPY_DEVICES:
            return torch.from_numpy(self._numpy.poisson(rate.double().numpy()))
        return torch.poisson(rate, generator=self._on(rate.device)).long()

    def binomial(self, trials: Tensor, probability: Tensor) -> Tensor:
        """Binomial int64 counts of successes, elementwise."""
        if trials.device.type in NUMPY_DEVICES:
            counts = self._numpy.binomial(trials.numpy(), probability.double().numpy())
            return torch.from_numpy(counts)
        generator = self._on(trials.device)
        return torch.binomial(trials.to(probability.dtype), probability, generator).long()
