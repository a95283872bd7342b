"""Turn a trained network's weights into a shipped agent: half precision, hash, measured score.

    python scripts/ship_agent.py WEIGHTS.safetensors --game BankHeist --training TRAINING.toml

WEIGHTS: safetensors of a Nature Q-network, in any float precision, its layers in order.
TRAINING: TOML whose tables go into agent.toml as they are (training, licence). The score is
measured after rounding, at the 5-minute and the 30-minute cap.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from safetensors.torch import load_file

from sap_rl import Protocol, evaluate, load_agent
from sap_rl.atari.games import canonical_game
from sap_rl.evaluation.results import Row
from sap_rl.networks.loaders.native import encode_weights

SHORT, LONG = 18_000, 108_000
LAYERS = ("conv1", "conv2", "conv3", "dense", "q")

CARD = """format = "native"
game = "{game}"

[network]
kind = "nature"
num_actions = {num_actions}

[preprocess]
frames = 4
height = 84
width = 84
frameskip = 4
full_action_space = false

[weights]
file = "weights.safetensors"
dtype = "float16"
sha256 = "{sha256}"

{training}
"""

SCORE = """
[score.{name}]
mean = {mean:.1f}
ci_low = {ci_low:.1f}
ci_high = {ci_high:.1f}
episodes = {episodes}
truncated = {truncated}
max_frames = {max_frames}
seed = {seed}
epsilon = {epsilon}
sticky_actions = 0.0
noop_max = 30
command = "sap-rl eval --game {game} --lambda 0 --defense none --no-controls --episodes {episodes} \
--max-frames {max_frames} --seed {seed} --num-envs {num_envs}"
"""


def main() -> None:
    """Read the arguments, write the folder, play for the score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--game", required=True, type=canonical_game)
    parser.add_argument("--training", required=True, type=Path)
    parser.add_argument("--out", type=Path, default=Path("agents"))
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--num-envs", type=int, default=16)
    args = parser.parse_args()

    weights = match_layers(load_file(args.weights))
    data, sha256 = encode_weights(weights, torch.float16)
    folder = args.out / args.game
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(data)
    card = folder / "agent.toml"
    card.write_text(
        CARD.format(
            game=args.game,
            num_actions=len(weights["q.bias"]),
            sha256=sha256,
            training=args.training.read_text().strip(),
        )
    )
    torch.set_num_threads(os.cpu_count() or 1)
    found = play(folder, args, max_frames=LONG)
    add_score(card, "cap_30_minutes", found, args, LONG)
    if max(found.lengths) * 4 > SHORT:  # else the shorter cap cuts nothing: the same games
        found = play(folder, args, max_frames=SHORT)
    add_score(card, "cap_5_minutes", found, args, SHORT)


def play(folder: Path, args: argparse.Namespace, *, max_frames: int) -> Row:
    """The agent's clean games, no defence, no controls."""
    found = evaluate(
        load_agent(folder),
        args.game,
        lam=0,
        controls=False,
        episodes=args.episodes,
        seed=args.seed,
        num_envs=args.num_envs,
        protocol=Protocol(max_frames=max_frames),
    )
    return found.rows[0]


def add_score(card: Path, name: str, row: Row, args: argparse.Namespace, max_frames: int) -> None:
    """Append a table to agent.toml."""
    shown = SCORE.format(
        **{**vars(row), "name": name, "max_frames": max_frames},
        seed=args.seed,
        num_envs=args.num_envs,
    )
    card.write_text(card.read_text() + shown)
    print(shown)


def match_layers(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors named by our layers or by PyTorch's numbers, under our names."""
    layers = sorted(
        {name.rpartition(".")[0] for name in found},
        key=lambda layer: (int(layer), "") if layer.isdigit() else (0, layer),
    )
    if len(layers) != len(LAYERS):
        raise SystemExit(f"not a Nature network: layers {', '.join(layers)}")
    return {
        f"{ours}.{kind}": found[f"{theirs}.{kind}"]
        for ours, theirs in zip(LAYERS, layers, strict=True)
        for kind in ("weight", "bias")
    }


if __name__ == "__main__":
    main()
