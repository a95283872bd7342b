"""What SAP-100 costs beside the dense network: forward, and gradient towards the frames.

    OMP_NUM_THREADS=2 python -m benchmarks.sap_forward [--threads 2] [--device cuda]

The shipped BankHeist network on frames of its own play. "multinomial" is what one writes today:
torch.multinomial and a mask per activation map. "torch" is the fallback where numba is missing.
"""

from __future__ import annotations

import sap_rl  # isort: skip  # noqa: F401 (before torch: its idle threads then sleep, as users')

import argparse
import copy
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.timing import alternate, print_ratios
from sap_rl import load_agent, make_atari
from sap_rl.attacks.gradients import input_gradient
from sap_rl.attacks.objectives import cross_entropy
from sap_rl.defenses import kernel
from sap_rl.machine import keep_freed_memory


class MultinomialSAP(nn.Module):
    """SAP-100 after a ReLU as it is usually written."""

    def forward(self, h: Tensor) -> Tensor:
        flat = h.flatten(1)
        p = flat.abs() / flat.abs().sum(1, keepdim=True)
        drawn = torch.multinomial(p, flat.shape[1], replacement=True)
        kept = torch.zeros_like(flat).scatter_(1, drawn, 1.0)
        keep = -torch.expm1(flat.shape[1] * torch.log1p(-p))
        return (flat * (kept / keep.clamp_min(1e-30)).detach()).view_as(h)


def multinomial(module: nn.Module) -> nn.Module:
    """A copy of the network with a MultinomialSAP after every ReLU."""
    found, prune = copy.deepcopy(module), MultinomialSAP()
    for part in found.modules():
        if isinstance(part, nn.ReLU):
            part.register_forward_hook(lambda _part, _args, out: prune(out))
    return found


def played_frames(count: int, device: torch.device) -> Tensor:
    """Unit frames [count, 4, 84, 84] of the agent's own games."""
    agent, envs = load_agent("BankHeist"), make_atari("BankHeist", 16)
    obs, _ = envs.reset(seed=0)
    kept = []
    for step in range(15 * -(-count // 16)):
        obs = envs.step(agent.act(obs))[0]
        if step % 15 == 14:
            kept.append(obs.copy())
    envs.close()
    return torch.from_numpy(np.concatenate(kept)[:count]).to(device).float() / 255


@contextmanager
def without_numba() -> Any:
    """The fallback's samplers."""
    before, kernel.AVAILABLE = kernel.AVAILABLE, False
    try:
        yield
    finally:
        kernel.AVAILABLE = before


def forward(module: nn.Module, obs: Tensor) -> Callable[[], Any]:
    def work() -> None:
        with torch.inference_mode():
            wait(module(obs))

    return work


def gradient(module: nn.Module, obs: Tensor, samples: int = 1) -> Callable[[], Any]:
    return lambda: wait(input_gradient(module, obs, None, cross_entropy, grad_samples=samples)[0])


def wait(out: Tensor) -> None:
    if out.is_cuda:
        torch.cuda.synchronize()


def fallback(work: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> None:
        with without_numba():
            work()

    return run


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    device = torch.device(args.device)
    agent = load_agent("BankHeist", device=device)
    exact = agent.defend("sap-100", seed=0).module
    bernoulli = agent.defend("sap-100", seed=0, sampler="bernoulli").module
    plain = multinomial(agent.module)
    print(f"{args.threads} thread(s), {device}, torch {torch.__version__}, Nature network, float32")
    for batch in (64, 1):
        obs = played_frames(batch, device)
        found = alternate(
            {
                "dense": forward(agent.module, obs),
                "SAP-100 exact": forward(exact, obs),
                "SAP-100 bernoulli": forward(bernoulli, obs),
                "SAP-100 exact, torch": fallback(forward(exact, obs)),
                "SAP-100 bernoulli, torch": fallback(forward(bernoulli, obs)),
                "SAP-100 multinomial": forward(plain, obs),
            },
            rounds=args.rounds,
        )
        print_ratios(f"forward, batch {batch}", found)
    obs = played_frames(64, device)
    found = alternate(
        {
            "dense": gradient(agent.module, obs),
            "SAP-100 exact": gradient(exact, obs),
            "SAP-100 bernoulli": gradient(bernoulli, obs),
            "SAP-100 multinomial": gradient(plain, obs),
        },
        rounds=args.rounds,
    )
    print_ratios("forward and gradient towards the frames (mask), batch 64", found)
    found = alternate(
        {
            "SAP-100 exact, 1 sample": gradient(exact, obs[:16]),
            "SAP-100 exact, 10 samples": gradient(exact, obs[:16], 10),
        },
        rounds=args.rounds,
    )
    print_ratios("the same, batch 16: samples folded into the batch", found)


if __name__ == "__main__":
    main()
