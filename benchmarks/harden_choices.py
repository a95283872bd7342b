"""What each choice of the hardening recipe is worth at about equal time (docs/harden.md).

    OMP_NUM_THREADS=1 python -m benchmarks.harden_choices [--only recipe no-clean] [--seed 0]

Hardens the shipped BankHeist agent once per line, about four minutes of one core each, and judges
it on recorded frames of the original's clean play: the share on which it acts as the original does,
clean and under attack, and what its actions are worth less by the original's clean values, in
thousandths. Then clean games, and the share of frames on which its action is certified.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from sap_rl.certification.rates import certification_rate

from sap_rl import Agent, evaluate, load_agent
from sap_rl.atari.protocol import Protocol
from sap_rl.attacks import make_attack
from sap_rl.attacks.threat import Threat
from sap_rl.pixels import to_unit
from sap_rl.play.frames import fitting_frames
from sap_rl.play.players import Players
from sap_rl.reporting.tables.text import interval_text
from sap_rl.training.harden.run import Hardening
from sap_rl.training.harden.settings import HardenSettings
from sap_rl.training.trainee import Diverged
from sap_rl.types import Attack, Pixels

GAME = "BankHeist"
LAM = 1.0
FRAMES = 384
BATCH = 64
GAMES_SEED = 7_000_000
UPDATES = 2_500

FIRST: dict[str, Any] = {"temperature": 0.1, "learning_rate": 2e-4}
"""Where the search for the recipe began."""

CHOICES: dict[str, dict[str, Any]] = {
    "first": FIRST,
    "first-twice": FIRST | {"updates": 2 * UPDATES},
    "first-three-steps": FIRST | {"inner_steps": 3, "inner_size": 0.8, "updates": 1_484},
    "first-inner-margin": FIRST | {"inner_objective": "margin"},
    "rate-5e-4": FIRST | {"learning_rate": 5e-4},
    "rate-1e-3": FIRST | {"learning_rate": 1e-3},
    "rate-2e-3": FIRST | {"learning_rate": 2e-3},
    "rate-1e-3-inner-margin": FIRST | {"learning_rate": 1e-3, "inner_objective": "margin"},
    "temperature-0.3": {"temperature": 0.3},
    "recipe": {},
    "loss-value": {"loss": "value", "value_weight": 0.0},
    "loss-margin": {"loss": "margin"},
    "no-clean": {"clean_size": 0},
    "clean-half": {"clean_size": 64, "updates": 1_855},
    "no-play": {"student_envs": 0},
    "bounds-0.5": {"bound_weight": 0.5, "lam_ramp": 0.8, "updates": 1_250},
    "certified": {"bound_weight": 0.5, "lam_ramp": 0.8, "updates": 6_000},
}
"""By name, what is changed in the recipe (`HardenSettings`)."""

ATTACKS: dict[str, Attack] = {
    "FGSM": make_attack("fgsm"),
    "PGD margin": make_attack("pgd", steps=20, objective="margin"),
    "PGD MAD": make_attack("pgd", steps=20, objective="mad", temperature=0.1),
}


def tampered(agent: Agent, attack: Attack, frames: Pixels) -> Pixels:
    """The frames [N, K, H, W] as the attack hands them to the agent, each batch alone."""
    generator = torch.Generator().manual_seed(0)
    batches = torch.split(to_unit(frames), BATCH)
    found = [attack(agent.module, obs, Threat(LAM), generator=generator) for obs in batches]
    return torch.cat(found) * 255


class Judge:
    """The original's actions and values on frames of its own clean play."""

    def __init__(self, original: Agent) -> None:
        players = Players(original, Protocol(), 0)
        self.frames = torch.from_numpy(fitting_frames(players, GAME, FRAMES))
        self.values = original.q_values(self.frames)
        self.actions = self.values.argmax(1)

    def line(self, agent: Agent, episodes: int) -> str:
        """The cells of the agent's row."""
        agrees = {"clean": self._chosen(agent, self.frames)}
        for label, attack in ATTACKS.items():
            agrees[label] = self._chosen(agent, tampered(agent, attack, self.frames))
        shares = [f"{self._share(agrees[label]):.0%}" for label in ("clean", "PGD margin")]
        lost = [f"{self._lost(agrees[label]):.1f}" for label in ATTACKS]
        certified = f"{certification_rate(agent, self.frames, LAM):.0%}"
        return " | ".join([*shares, *lost, _clean_play(agent, episodes), certified])

    def _chosen(self, agent: Agent, frames: Pixels) -> torch.Tensor:
        return agent.q_values(frames).argmax(1)

    def _share(self, actions: torch.Tensor) -> float:
        return float((actions == self.actions).float().mean())

    def _lost(self, actions: torch.Tensor) -> float:
        worth = self.values.gather(1, actions[:, None])[:, 0]
        return 1000 * float((self.values.amax(1) - worth).mean())


def _clean_play(agent: Agent, episodes: int) -> str:
    if not episodes:
        return ""
    (row,) = evaluate(agent, GAME, lam=0, episodes=episodes, seed=GAMES_SEED, controls=False).rows
    return f"{row.mean:.1f} {interval_text(row.ci_low, row.ci_high)}"


def hardened(original: Agent, choice: dict[str, Any], seed: int) -> tuple[Agent, int, float]:
    """The student, its updates, and the minutes of processor time they took."""
    settings = HardenSettings(**{"updates": UPDATES, "eval_updates": 0, **choice})
    began = time.process_time()
    hardening = Hardening(original, settings, None, game=GAME, seed=seed)
    for _ in hardening.run():
        pass
    return hardening.agent(), hardening.student.updates, (time.process_time() - began) / 60


def main() -> None:
    """Print the table, a line as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=tuple(CHOICES), default=tuple(CHOICES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=30, help="clean games, 0 for none")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    original = load_agent(GAME)
    judge = Judge(original)
    print("| | updates | minutes | agrees clean | agrees PGD margin | lost FGSM | lost PGD margin "
          "| lost PGD MAD | clean return | certified |")  # fmt: skip
    print("|---" * 10 + "|")
    print(f"| the agent itself | 0 | 0 | {judge.line(original, args.episodes)} |", flush=True)
    for name in args.only:
        try:
            agent, updates, minutes = hardened(original, CHOICES[name], args.seed)
        except Diverged as error:
            print(f"| {name} | {error}" + " |" * 9, flush=True)
            continue
        line = judge.line(agent, args.episodes)
        print(f"| {name} | {updates:,} | {minutes:.1f} | {line} |", flush=True)


if __name__ == "__main__":
    main()
