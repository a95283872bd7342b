"""References to the hub: the cache is used, and without a connection there is one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from sap_rl import UsageError, load_agent
from sap_rl.networks import hub
from sap_rl.networks.lookup import find_agent
from tests.networks.foreign import FOREIGN, native_folder

COMMIT = "0" * 40
Cached = Callable[[str], Path]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cached:
    """`cached("owner/name")`: the folder of a snapshot in a cache of our own, without network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def make(repo: str) -> Path:
        home = tmp_path / "cache" / f"models--{repo.replace('/', '--')}"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(COMMIT)
        folder = home / "snapshots" / COMMIT
        folder.mkdir(parents=True)
        return folder

    return make


def refused(ref: str) -> str:
    with pytest.raises(UsageError) as refusal:
        find_agent(ref)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_the_one_checkpoint_of_a_repository(cached: Cached) -> None:
    folder = cached("sb3/dqn-PongNoFrameskip-v4")
    (folder / "README.md").write_text("hello")
    FOREIGN["sb3"].write(folder)
    agent = load_agent("hub:sb3/dqn-PongNoFrameskip-v4")
    assert (agent.game, agent.num_actions) == ("Pong", 6)
    assert agent.facts["stated_mean"] == 20.6
    by_file = load_agent("hub:sb3/dqn-PongNoFrameskip-v4/theirs.zip")
    assert by_file.sha256 == agent.sha256


def test_our_own_folder(cached: Cached) -> None:
    folder = cached("someone/agent")
    ours, _ = native_folder(folder)
    for file in ours.iterdir():
        file.rename(folder / file.name)
    assert load_agent("hub:someone/agent").game == "Pong"


def test_several_checkpoints_are_a_question(cached: Cached) -> None:
    folder = cached("someone/many")
    for name in ("a.zip", "b.pt"):
        (folder / name).write_bytes(b"x")
    message = refused("hub:someone/many")
    assert "holds 2 checkpoints (a.zip, b.pt); say which: hub:someone/many/FILE" in message


def test_nothing_cached_and_no_connection(cached: Cached) -> None:
    cached("someone/empty")
    for ref in ("hub:someone/empty", "hub:nobody/nothing", "hub:nobody/nothing/file.zip"):
        assert "is not in huggingface_hub's cache and cannot be fetched" in refused(ref)


@pytest.mark.parametrize("ref", ["hub:", "hub:sb3", "hub:/x", "hub:sb3/"])
def test_broken_references(ref: str) -> None:
    assert "a hub reference is hub:owner/name or hub:owner/name/file" in refused(ref)


def test_what_the_zoo_states_is_known_for_the_zoo_only() -> None:
    assert hub.stated_by_hub("hub:sb3/dqn-QbertNoFrameskip-v4")["game"] == "Qbert"
    assert hub.stated_by_hub("hub:someone/dqn-QbertNoFrameskip-v4") == {}
    assert hub.stated_by_hub("BankHeist") == {}


def test_missing_extra_is_one_clear_line() -> None:
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from sap_rl.cli import main\n"
        "sys.exit(main('agents show hub:sb3/dqn-PongNoFrameskip-v4'.split()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'sap-rl[hub]'" in done.stderr
    assert done.stderr.count("\n") == 1
