"""Trains an attacker against the audited player, by PPO of Stable-Baselines3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from safetensors.torch import save
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch import Tensor

from sap_rl.atari.fleet import Fleet
from sap_rl.attacks.gradients import default_grad_samples, mean_values
from sap_rl.attacks.learned import Learned, count_sights, read_tensors, sights
from sap_rl.errors import MALFORMED, UsageError, told_of
from sap_rl.evaluation.run import EvaluationRun
from sap_rl.files import write_atomically
from sap_rl.pixels import to_unit
from sap_rl.play.arms import Arm, ArmName
from sap_rl.play.episodes import env_seed
from sap_rl.play.players import some_frames

LEARNING_SEED = 6_000_000
"""Added to the seed of games that an attacker learns on, so that no result is read on them."""
NUM_ENVS = 8
ROLLOUT = 128
"""Steps of each game between two updates, and between two files."""
LEARNING_STEPS = 2
"""Steps of PGD while it learns: on hardened agents even one reaches the actions that ten reach."""
PPO_OPTIONS: dict[str, Any] = {
    "n_steps": ROLLOUT, "batch_size": 256, "n_epochs": 4, "gamma": 0.97, "ent_coef": 0.01,
    "learning_rate": 1e-3, "policy_kwargs": {"net_arch": [64, 64]}, "device": "cpu",
}  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """Where a training stands: steps of all games, seconds, and the victim's returns in the games
    that ended since the last lesson."""

    steps: int
    seconds: float
    returns: tuple[float, ...]


def file_name(run: EvaluationRun, lam: float) -> str:
    """What the attacker's file is called: it names whom it learnt on and its budget."""
    player = run.players.defended or run.players.original
    of = [(player.sha256 or "")[:12], player.defense or ""]
    return "-".join(["learned", *filter(None, of), f"{lam:g}.safetensors"])


def train(run: EvaluationRun, lam: float, path: Path, minutes: float) -> Iterator[Lesson]:
    """Train until `minutes` of training lie behind the file, going on from it where it is there.

    run: its defended player, else its original, is the victim. After every lesson the file holds
    the attacker and all that a later run needs; only the games begin anew. UsageError for a file
    that cannot be gone on with.
    """
    games = DirectedGames(run, lam)
    model = PPO("MlpPolicy", VecNormalize(games, norm_obs=False, gamma=PPO_OPTIONS["gamma"]),
                seed=run.settings.seed, **PPO_OPTIONS)  # fmt: skip
    steps, before = _resume(model, path) if path.exists() else (0, 0.0)
    games.started = steps  # other games than those of a run before
    started, seconds = time.perf_counter(), before
    try:
        while seconds < 60 * minutes:
            model.learn(ROLLOUT * NUM_ENVS, reset_num_timesteps=False)
            steps += ROLLOUT * NUM_ENVS
            seconds = before + time.perf_counter() - started
            write_atomically(path, save(_state(model, steps, seconds)))
            yield Lesson(steps, seconds, games.told())
    finally:
        games.close()


def _state(model: PPO, steps: int, seconds: float) -> dict[str, Tensor]:
    """An attacker's file: the policy, the optimizer's moments, and how long it learnt."""
    moments = model.policy.optimizer.state_dict()["state"]
    kept = {f"optimizer.{i}.{k}": v for i, state in moments.items() for k, v in state.items()}
    tensors = model.policy.state_dict() | kept
    tensors |= {"steps": torch.tensor(steps), "seconds": torch.tensor(seconds)}
    return {name: value.detach().contiguous().clone() for name, value in tensors.items()}


def _resume(model: PPO, path: Path) -> tuple[int, float]:
    """Take the file's policy and moments; how many steps and seconds lie behind it."""
    tensors = read_tensors(path)
    policy, optimizer = model.policy, model.policy.optimizer
    try:
        policy.load_state_dict({name: tensors[name] for name in policy.state_dict()})
        whole = optimizer.state_dict()
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, i, key = name.split(".")
                whole["state"].setdefault(int(i), {})[key] = value
        optimizer.load_state_dict(whole)
        return int(tensors["steps"]), float(tensors["seconds"])
    except (RuntimeError, *MALFORMED) as error:
        raise UsageError(f"'{path}' cannot be gone on with: {told_of(error)}") from error


class DirectedGames(VecEnv):
    """The victim's games as the director plays them: it sees `sights`, chooses a rank, and gets
    what the victim loses. The referee checks every frame, as in any game."""

    def __init__(self, run: EvaluationRun, lam: float) -> None:
        name: ArmName = "original" if run.players.defended is None else "defended"
        players = replace(run.players, attack="pgd", options={})
        self.agent, self.seed_ = players.agent(name), run.settings.seed + LEARNING_SEED
        victim = players.victim(Arm(name, lam, "own")).q_function
        samples = default_grad_samples(victim, some_frames(self.agent))
        attack = Learned(self._ranks, LEARNING_STEPS, samples)
        self.adversary = players.adversary(Arm(name, lam, "own"), attack)
        self.samples, self.started, self.begun = samples, 0, 0
        self.rows = np.arange(NUM_ENVS)
        self.fleet: Fleet = run.fleet(NUM_ENVS)
        actions = self.fleet.num_actions
        seen = spaces.Box(-np.inf, np.inf, (count_sights(actions),), np.float32)
        super().__init__(NUM_ENVS, seen, spaces.Discrete(actions))

    def _ranks(self, seen: Tensor) -> Tensor:
        """A director that has decided already."""
        chosen = torch.from_numpy(self.chosen)
        return torch.nn.functional.one_hot(chosen, self.fleet.num_actions).to(seen)

    def reset(self) -> np.ndarray:
        """Begin games in all environments."""
        self.first = np.ones(NUM_ENVS, np.bool_)
        self.returns = np.zeros(NUM_ENVS)
        self.ended: list[float] = []
        self._begin(self.rows)
        return self._seen()

    def step_async(self, actions: np.ndarray) -> None:
        """Note the ranks that the director chose."""
        self.chosen = actions.astype(np.int64)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Play a step under attack; where a game ends another begins."""
        first = torch.from_numpy(self.first)
        received = self.adversary.perturb(self._pixels(), first, self.rows.tolist()).pixels
        reward, terminated, truncated = self.fleet.step(self.rows, self.agent.act(received))
        self.first = done = terminated | truncated
        self.returns += reward
        if done.any():
            self.ended += self.returns[done].tolist()
            self.returns[done] = 0.0
            self._begin(self.rows[done])
        return self._seen(), -reward.astype(np.float32), done, [{} for _ in self.rows]

    def told(self) -> tuple[float, ...]:
        """The returns of games that ended since this was asked last."""
        ended, self.ended = tuple(self.ended), []
        return ended

    def _begin(self, rows: np.ndarray) -> None:
        indices = self.started + self.begun + np.arange(len(rows))
        self.begun += len(rows)
        self.fleet.reset(rows, np.array([env_seed(self.seed_, int(i)) for i in indices]))

    def _pixels(self) -> Tensor:
        return torch.as_tensor(self.fleet.obs).to(self.agent.device)

    def _seen(self) -> np.ndarray:
        obs = to_unit(self._pixels())
        seen = sights(mean_values(self.adversary.victim, obs, samples=self.samples), obs)
        return seen.cpu().numpy()

    def close(self) -> None:
        """Close the emulators."""
        self.fleet.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """What Stable-Baselines3 asks of single environments, which these are not."""
        return [getattr(self, attr_name, None)] * NUM_ENVS

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No single environment is wrapped."""
        return [False] * NUM_ENVS
