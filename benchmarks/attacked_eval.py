"""Agent steps per second under FGSM: ours beside the loop that one writes today.

    OMP_NUM_THREADS=2 python -m benchmarks.attacked_eval [--threads 2] [--rounds 3]

Today: Stable-Baselines3's wrapped BankHeist, one environment, torchattacks.FGSM on the DQN's
network, `predict`; with SAP, torch.multinomial after every ReLU. Ours: 32 environments per arm, an
arm per thread side by side as `sap-rl eval` plays them, one gradient sample, float frames, the
referee included. Every contender runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.sap_forward import MultinomialSAP
from benchmarks.timing import measure_apart
from sap_rl import Protocol, load_agent
from sap_rl.atari.fleet import Fleet, make_fleet
from sap_rl.machine import keep_freed_memory
from sap_rl.play.arms import Arm
from sap_rl.play.attacked_player import AttackedPlayer
from sap_rl.play.players import Players
from sap_rl.play.threads import Job, side_by_side

NUM_ENVS, LAM = 32, 4.0
PARTS = ("emulation", "attack", "policy", "rest")


def today(*, sap: bool, steps: int) -> dict[str, float]:
    """One environment, a step at a time."""
    import ale_py
    import gymnasium
    import torchattacks
    from stable_baselines3 import DQN
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    gymnasium.register_envs(ale_py)
    envs = VecFrameStack(make_atari_env("BankHeistNoFrameskip-v4", n_envs=1, seed=0), 4)
    model = DQN("CnnPolicy", envs, buffer_size=100, device="cpu")
    network = model.q_net
    if sap:
        prune(network)
    attack = torchattacks.FGSM(OnUnitFrames(network), eps=LAM / 255)
    obs = envs.reset()
    began = 0.0
    for step in range(steps + 20):
        if step == 20:
            began = time.perf_counter()
        frames = torch.from_numpy(np.moveaxis(obs, -1, 1).copy()).float() / 255
        with torch.no_grad():
            label = attack.model(frames).argmax(1)
        tampered = (attack(frames, label) * 255).round().byte().numpy()
        action, _ = model.predict(np.moveaxis(tampered, 1, -1), deterministic=True)
        obs, *_ = envs.step(action)
    return {"steps_per_second": steps / (time.perf_counter() - began)}


class OnUnitFrames(nn.Module):
    """Stable-Baselines3's Q-network past its own division by 255."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> Tensor:
        return self.network.q_net(self.network.features_extractor(frames))  # type: ignore[operator]


def prune(network: nn.Module) -> None:
    """A MultinomialSAP after every ReLU, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Sequential(child, MultinomialSAP()))


def ours(
    *,
    defense: str | None = None,
    precision: str = "float32",
    num_envs: int = NUM_ENVS,
    grad_samples: int = 1,
    device: str = "cpu",
    steps: int = 3_000,
) -> dict[str, float]:
    """The evaluator's own players and environments, an arm per thread side by side as it plays
    them; seconds by part."""
    keep_freed_memory()
    agent = load_agent("BankHeist", device=device).in_precision(precision)
    protocol = Protocol(grad_samples=grad_samples)
    players = Players(agent, protocol, seed=0)
    if defense:
        players.defended = agent.defend(defense, seed=0)
    arm = Arm("defended" if defense else "original", LAM, "own")
    arms = torch.get_num_threads()
    fleets = [
        make_fleet("BankHeist", num_envs, protocol=protocol, preprocess=agent.preprocess)
        for _ in range(arms)
    ]
    count = max(steps // num_envs, 5)
    clocks: list[dict[str, float]] = [defaultdict(float) for _ in range(arms)]
    ready = threading.Barrier(arms)

    def play(place: int) -> Iterator[int]:
        player = players.apart().attacked_player(arm)
        player.flip_probe = None  # flips are measured besides, on every 8th step
        yield from timed_steps(player, fleets[place], count, clocks[place], ready)

    for _ in side_by_side([Job(play) for _ in range(arms)], arms):
        pass
    for fleet in fleets:
        fleet.close()
    total = sum(clock["total"] for clock in clocks)
    shares = {f"share_{part}": sum(clock[part] for clock in clocks) / total for part in PARTS}
    return {"steps_per_second": arms * count * num_envs / max(c["total"] for c in clocks), **shares}


def timed_steps(
    player: AttackedPlayer,
    fleet: Fleet,
    count: int,
    clock: dict[str, float],
    ready: threading.Barrier,
) -> Iterator[int]:
    """Play `count` steps of every environment after three to warm up; seconds by part in clock."""
    timed(player.adversary, "perturb", clock, "attack")
    timed(fleet, "step", clock, "emulation")
    rows = np.arange(fleet.num_envs)
    fleet.reset(rows, rows)
    first = np.ones(fleet.num_envs, np.bool_)
    began, decided = 0.0, 0.0
    for step in range(count + 3):
        if step == 3:
            ready.wait()
            clock.clear()
            began, decided = time.perf_counter(), 0.0
        start = time.perf_counter()
        assert fleet.obs is not None
        decision = player.decide(fleet.obs, first, rows)
        decided += time.perf_counter() - start
        _, terminated, truncated = fleet.step(rows, decision.actions)
        first = terminated | truncated
        yield step
    clock["total"] = time.perf_counter() - began
    clock["policy"] = decided - clock["attack"]
    clock["rest"] = clock["total"] - sum(clock[part] for part in PARTS[:3])


def timed(owner: Any, name: str, clock: dict[str, float], part: str) -> None:
    work: Callable[..., Any] = getattr(owner, name)

    def run(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            clock[part] += time.perf_counter() - began

    setattr(owner, name, run)


CONTENDERS: dict[str, Callable[[], dict[str, float]]] = {
    "today, dense": lambda: today(sap=False, steps=300),
    "ours, dense, float32": ours,
    "ours, dense, bfloat16": lambda: ours(precision="bfloat16"),
    "today, SAP by multinomial": lambda: today(sap=True, steps=150),
    "ours, SAP-100, float32": lambda: ours(defense="sap-100"),
    "ours, SAP-100, bfloat16": lambda: ours(defense="sap-100", precision="bfloat16"),
}


def measure(name: str, threads: int) -> dict[str, float]:
    """One contender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.attacked_eval", "--threads", str(threads)]
    return measure_apart([*command, "--only", name], ours=name.startswith("ours"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CONTENDERS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.only:
        print(json.dumps(CONTENDERS[args.only]()))
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(args.rounds):
        for name in CONTENDERS:
            rounds[name].append(measure(name, args.threads))
    print(f"{args.threads} thread(s), median of {args.rounds} rounds, torch {torch.__version__}")
    print(f"{'':27}  steps/s  ratio  " + "  ".join(PARTS))
    base = 0.0
    for name, found in rounds.items():
        middle = {key: median(run[key] for run in found) for key in found[0]}
        speed = middle["steps_per_second"]
        base = speed if name.startswith("today") else base
        shares = [f"{100 * middle[key]:7.0f}%" for key in middle if key.startswith("share")]
        print(f"{name:27} {speed:8.0f} {speed / base:6.1f}  {' '.join(shares)}")


if __name__ == "__main__":
    main()
