"""Training speed side by side: Stable-Baselines3's DQN, ours, and the bound, in turn.

    OMP_NUM_THREADS=2 python -m benchmarks.train_speed --rounds 3

Same game, batch 32, replay ratio 8 (one update per 4 steps), network and 8 environments. Each
contender runs in a process of its own, one after the other, round after round. The bound is
emulation plus the bare forward and backward passes, one after the other; the limit is the bound
with passes as fast as one large matrix product runs here. Stable-Baselines3 does one forward fewer
per update: its DQN is not double. Where other programs share the machine compare
CPU time per step with --threads 1: torch's own threads spin while they wait.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.timing import measure_apart

NUM_ENVS, BATCH, PERIOD = 8, 32, 4
WARM = 8


def ours(game: str, steps: int) -> dict[str, float]:
    """Steps per second of the loop once updates have begun, and seconds by part."""
    from sap_rl.training.dqn.run import Training
    from sap_rl.training.dqn.settings import TrainSettings

    warmup = 1_000
    settings = TrainSettings(
        steps=warmup + steps, num_envs=NUM_ENVS, batch_size=BATCH, update_period=PERIOD,
        warmup_steps=warmup, replay_frames=50_000, log_updates=10**9, eval_steps=0,
        epsilon_steps=warmup,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        training = Training(settings, Path(folder), game=game)
        began: float | None = None
        cpu = 0.0
        clock = training.clock
        real = training.learner.update

        def update(batch: Any) -> None:
            nonlocal began, clock, cpu
            if began is None:
                clock = training.clock
                clock.total = clock.acting = clock.sampling = clock.waiting = 0.0
                began, cpu = time.perf_counter(), time.process_time()
            real(batch)

        training.learner.update = update  # type: ignore[method-assign]
        list(training.run())
        cpu = time.process_time() - cpu
    parts = {n: getattr(clock, n) for n in ("acting", "sampling", "updating", "waiting")}
    parts["optimizer"] = optimizer_seconds()[0] * training.learner.updates
    parts["rest"] = clock.total - sum(parts[n] for n in parts if n != "optimizer")
    shares = {f"share_{name}": value / clock.total for name, value in parts.items()}
    return {"steps_per_second": steps / clock.total, "cpu_ms_per_step": 1e3 * cpu / steps, **shares}


def stable_baselines(game: str, steps: int) -> dict[str, float]:
    """Stable-Baselines3's DQN with as many updates per step."""
    import ale_py
    import gymnasium
    from stable_baselines3 import DQN
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    gymnasium.register_envs(ale_py)
    warmup = 400
    began: list[tuple[float, float]] = []

    class Stopwatch(BaseCallback):
        def _on_step(self) -> bool:
            if not began and self.num_timesteps > warmup + NUM_ENVS:
                began.append((time.perf_counter(), time.process_time()))
            return True

    envs = VecFrameStack(make_atari_env(f"{game}NoFrameskip-v4", n_envs=NUM_ENVS, seed=0), 4)
    model = DQN(
        "CnnPolicy", envs, batch_size=BATCH, learning_starts=warmup, train_freq=1,
        gradient_steps=NUM_ENVS // PERIOD, buffer_size=10_000, learning_rate=1e-4,
        target_update_interval=8_000, device="cpu",
    )  # fmt: skip
    model.learn(warmup + steps, callback=Stopwatch())
    wall, cpu = time.perf_counter() - began[0][0], time.process_time() - began[0][1]
    done = steps - NUM_ENVS
    return {"steps_per_second": done / wall, "cpu_ms_per_step": 1e3 * cpu / done}


def bound(game: str, steps: int) -> dict[str, float]:
    """Emulation and bare passes, measured apart and added."""
    from sap_rl.machine import keep_freed_memory, single_threaded
    from sap_rl.training.replay import Batch
    from sap_rl.training.threads import BatchThreads

    keep_freed_memory()
    emulation = emulation_seconds(game, steps)
    learner = make_learner()
    pixels = torch.randint(0, 256, (2, BATCH, 4, 84, 84), dtype=torch.uint8)
    ones = torch.ones(BATCH)
    batch = Batch(pixels[0], torch.zeros(BATCH, dtype=torch.int64), ones, ones, pixels[1])

    def passes() -> None:
        learner.batch_threads.run(
            lambda part: learner._passes(part, 0, BATCH), batch.split(learner.batch_threads.size)
        )

    with single_threaded():
        sliced = seconds_of(passes)
        act = seconds_of(lambda: learner.values(pixels[0, :NUM_ENVS]))
    learner.batch_threads = BatchThreads(1)
    whole = seconds_of(passes)
    update = min(sliced, whole)
    per_step = [
        e + a / NUM_ENVS + u / PERIOD for e, a, u in zip(emulation, act, update, strict=True)
    ]
    ideal = passes_at_matmul_speed(learner.network)
    limit = emulation[0] + act[0] / NUM_ENVS + ideal / PERIOD
    return {
        "steps_per_second": 1 / per_step[0],
        "steps_per_second_limit": 1 / limit,
        "ms_update_passes_at_matmul_speed": 1e3 * ideal,
        "cpu_ms_per_step": 1e3 * per_step[1],
        "ms_emulation_per_step": 1e3 * emulation[0],
        "ms_acting_pass": 1e3 * act[0],
        "ms_update_passes_in_slices": 1e3 * sliced[0],
        "ms_update_passes_whole": 1e3 * whole[0],
        "ms_optimizer": 1e3 * optimizer_seconds()[0],
    }


def passes_at_matmul_speed(network: nn.Module) -> float:
    """Seconds of an update's multiplications at the rate of a large bfloat16 matrix product.

    Three forward passes; backward the gradients of all weights, and of all inputs but the frames.
    """
    forward = sum(products(network).values())
    update = 5 * forward - products(network)["conv1"]
    square = torch.randn(1024, 1024).to(torch.bfloat16)
    return BATCH * update * seconds_of(lambda: square @ square)[0] / 1024**3


def products(network: nn.Module) -> dict[str, int]:
    """Multiplications of one example's forward pass, by layer."""
    found: dict[str, int] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(layer: Any, _args: Any, output: torch.Tensor) -> None:
            found[name] = output[0].numel() * layer.weight[0].numel()

        return hook

    layers = [(n, part) for n, part in network.named_modules() if hasattr(part, "weight")]
    hooks = [layer.register_forward_hook(count(name)) for name, layer in layers]
    network(torch.zeros(1, 4, 84, 84))
    for hook in hooks:
        hook.remove()
    return found


def emulation_seconds(game: str, steps: int) -> tuple[float, float]:
    """Of one agent step, random actions: on the clock and on all cores."""
    from sap_rl import make_atari

    envs = make_atari(game, NUM_ENVS)
    actions = np.random.default_rng(0).integers(4, size=(steps // NUM_ENVS, NUM_ENVS))
    envs.reset(seed=0)
    rows = iter(actions)
    wall, cpu = seconds_of(lambda: envs.step(next(rows)), len(actions) - WARM)
    envs.close()
    return wall / NUM_ENVS, cpu / NUM_ENVS


def make_learner() -> Any:
    from sap_rl.networks.nature import nature_network
    from sap_rl.training.dqn.learner import Learner
    from sap_rl.training.dqn.settings import TrainSettings

    return Learner(nature_network(18), TrainSettings())


def optimizer_seconds() -> tuple[float, float]:
    """Of clipping, Adam and the working copy's refresh, as the loop runs them."""
    from sap_rl.machine import single_threaded

    learner = make_learner()
    gradient = [torch.zeros_like(p) for p in learner.online.parameters]
    with single_threaded():
        return seconds_of(
            lambda: learner.optimizer.step([gradient] * learner.batch_threads.size, 1e-4)
        )


def seconds_of(work: Callable[[], Any], repeats: int = 60) -> tuple[float, float]:
    """The mean on the clock and on all cores: interruptions count, as they do in the loop."""
    for _ in range(WARM):
        work()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - wall) / repeats, (time.process_time() - cpu) / repeats


CONTENDERS = {"sb3": stable_baselines, "ours": ours, "bound": bound}


def measure(name: str, args: argparse.Namespace) -> dict[str, float]:
    """One contender in a process of its own."""
    command = [
        sys.executable, "-m", "benchmarks.train_speed", "--only", name, "--game", args.game,
        "--steps", str(args.steps), "--threads", str(args.threads),
    ]  # fmt: skip
    return measure_apart(command, ours=name != "sb3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--game", default="BankHeist")
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=CONTENDERS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.only:
        found = CONTENDERS[args.only](args.game, args.steps)
        found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for number in range(args.rounds):
        for name in CONTENDERS:
            rounds[name].append(measure(name, args))
            speed = rounds[name][-1]["steps_per_second"]
            print(f"round {number + 1} {name}: {speed:.0f} steps/s", flush=True)
    for name, found in rounds.items():
        print(name, {key: round(median(run[key] for run in found), 3) for key in found[0]})
    for other in ("sb3", "bound"):
        for key, sign in (("steps_per_second", 1), ("cpu_ms_per_step", -1)):
            pairs = zip(rounds["ours"], rounds[other], strict=True)
            ratios = [(one[key] / two[key]) ** sign for one, two in pairs]
            print(f"ours / {other} by {key}: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
