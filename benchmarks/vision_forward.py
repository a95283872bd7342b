"""What SAP-100 costs on the paper's ResNet-20 beside the dense network, at batch 250.

    OMP_NUM_THREADS=2 python -m benchmarks.vision_forward [--threads 2] [--model resnet20]

Forward, gradient towards the images, and the memory that 100 averaged gradients take. Without a
model the network has random weights. "multinomial" is what one writes today: torch.multinomial and
a mask per activation map.
"""

from __future__ import annotations

import sap_rl  # isort: skip  # noqa: F401 (before torch: its idle threads then sleep, as users')

import argparse
import resource

import torch

from benchmarks.sap_forward import forward, gradient, multinomial
from benchmarks.timing import alternate, print_ratios
from sap_rl import sap
from sap_rl.attacks.gradients import input_gradient
from sap_rl.attacks.objectives import cross_entropy
from sap_rl.machine import keep_freed_memory
from sap_rl.vision import load_classifier
from sap_rl.vision.evaluate import _Chunked
from sap_rl.vision.resnet import ResNet20
from sap_rl.vision.settings import ROWS


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", help="resnet20, adv, or a folder [random weights]")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    network = load_classifier(args.model) if args.model else ResNet20().eval()
    networks = {
        "dense": network,
        "SAP-100 exact": sap(network, seed=0),
        "SAP-100 bernoulli": sap(network, seed=0, sampler="bernoulli"),
        "SAP-100 multinomial": multinomial(network),
    }
    images = torch.rand(ROWS, 3, 28, 28)
    print(f"{args.threads} thread(s), torch {torch.__version__}, ResNet-20, float32, 28x28")
    passes = {name: forward(each, images) for name, each in networks.items()}
    print_ratios(f"forward, batch {ROWS}", alternate(passes, rounds=args.rounds))
    slopes = {name: gradient(each, images) for name, each in networks.items()}
    found = alternate(slopes, rounds=args.rounds)
    print_ratios(f"forward and gradient towards the images (mask), batch {ROWS}", found)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    q = _Chunked(networks["SAP-100 exact"], ROWS)
    input_gradient(q, images, None, cross_entropy, grad_samples=100)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\n100 averaged gradients, batch {ROWS}: {most / 2**20:.2f} GB at most")
    print(f"{before / 2**20:.2f} GB before them")


if __name__ == "__main__":
    main()
