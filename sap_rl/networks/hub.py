"""Checkpoints of the Hugging Face hub, through huggingface_hub and its cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sap_rl.errors import UsageError

PREFIX = "hub:"
SUFFIXES = (".zip", ".pt", ".pth", ".gz", ".safetensors", ".cleanrl_model")
"""Endings of files that may be checkpoints."""
SUSPECTED = (*SUFFIXES, ".bin", ".ckpt", ".pkl", ".tar")
"""With those that other files have as well."""
SB3_AGENT = re.compile(r"hub:sb3/(dqn|qrdqn|ppo|a2c)-([A-Za-z]+)NoFrameskip-v4(/|$)")
"""How the Stable-Baselines3 zoo names an agent and its game."""
SB3_ZOO = {
    "BeamRider": 4296.0, "Breakout": 358.0, "Pong": 20.6, "RoadRunner": 40396.0, "Qbert": 9497.0,
    "Seaquest": 2000.0, "MsPacman": 2683.0, "SpaceInvaders": 623.0, "Enduro": 831.0,
    "Asteroids": 783.0,
}  # fmt: skip
"""Mean returns that the Stable-Baselines3 zoo states for its `sb3/dqn-<Game>NoFrameskip-v4`."""


def hub_file(ref: str) -> Path:
    """The local copy of `hub:owner/name`, or of one file of it, `hub:owner/name/file.zip`.

    What is cached already is taken, without asking the hub. UsageError in one line where
    huggingface_hub is missing, nothing can be had, or the choice of a file is open.
    """
    owner, _, rest = ref.removeprefix(PREFIX).partition("/")
    name, _, wanted = rest.partition("/")
    if not owner or not name:
        raise UsageError(f"a hub reference is hub:owner/name or hub:owner/name/file, got '{ref}'")
    try:
        import huggingface_hub
    except ImportError:
        raise UsageError(f"'{ref}' needs huggingface_hub: pip install 'sap-rl[hub]'") from None
    repo = f"{owner}/{name}"
    if wanted:
        return _download(huggingface_hub, repo, wanted)
    files = _cached(huggingface_hub, repo) or _listed(huggingface_hub, repo)
    checkpoints = [file for file in files if file.endswith(SUFFIXES)]
    if "agent.toml" in files:
        for file in checkpoints:
            _download(huggingface_hub, repo, file)
        return _download(huggingface_hub, repo, "agent.toml").parent
    if len(checkpoints) != 1:
        shown = ", ".join(checkpoints[:8]) or "none"
        raise UsageError(
            f"'{ref}' holds {len(checkpoints)} checkpoints ({shown}); say which: "
            f"{PREFIX}{repo}/FILE"
        )
    return _download(huggingface_hub, repo, checkpoints[0])


def stated_by_hub(ref: str) -> dict[str, Any]:
    """What is known of a hub reference besides its file: game and stated mean return."""
    named = SB3_AGENT.match(ref)
    if named is None or named[2] not in SB3_ZOO:
        return {}
    return {"game": named[2]} | ({"stated_mean": SB3_ZOO[named[2]]} if named[1] == "dqn" else {})


def _download(hub: Any, repo: str, file: str) -> Path:
    """A file's local copy: the cached one if there is one, or else fetched into the cache."""
    try:
        return Path(hub.hf_hub_download(repo, file, local_files_only=True))
    except Exception as missing:  # not cached, or no name for a repository
        files = _listed(hub, repo)  # at once, where a download without connection tries for long
        if file not in files:
            raise UsageError(
                f"'{repo}' holds no file '{file}' but {', '.join(sorted(files)[:8])}"
            ) from missing
    try:
        return Path(hub.hf_hub_download(repo, file))
    except Exception as error:
        raise _unreachable(f"{repo}/{file}", error) from None


def _cached(hub: Any, repo: str) -> list[str]:
    """Files of a repository in the cache; none where no checkpoint of it is."""
    try:
        folder = Path(hub.snapshot_download(repo, local_files_only=True))
    except Exception:
        return []
    found = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return sorted(found) if any(file.endswith(SUFFIXES) for file in found) else []


def _listed(hub: Any, repo: str) -> list[str]:
    """Files of a repository on the hub."""
    try:
        return [file.rfilename for file in hub.HfApi().model_info(repo, timeout=10).siblings or ()]
    except Exception as error:  # its HTTP library's own errors, which change between versions
        raise _unreachable(repo, error) from None


def _unreachable(what: str, error: Exception) -> UsageError:
    return UsageError(
        f"'{what}' is not in huggingface_hub's cache and cannot be fetched "
        f"({type(error).__name__}); check the name and the connection, or give a file"
    )
