"""Our own format: what is written is read, and every broken file is one line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from sap_rl import LOADERS, Preprocess, UsageError
from sap_rl.networks import NETWORKS
from sap_rl.networks.loaders import native
from sap_rl.networks.loaders.native import encode_weights, load_native, write_native
from sap_rl.networks.nature import nature_network

CARD = """format = "native"
game = "{game}"
[network]
kind = "nature"
num_actions = 2
[preprocess]
frames = 4
full_action_space = false
[weights]
file = "weights.safetensors"
sha256 = "{sha256}"
[training]
algorithm = "none"
"""


@pytest.fixture(scope="session")
def weights() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return {name: value.detach() for name, value in nature_network(2).state_dict().items()}


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, weights: dict[str, Tensor]) -> Write:
    """`write(tensors, card=...)`: an agent's folder whose hash is right."""

    def make(tensors: dict[str, Tensor] | bytes | None = None, *, card: str = CARD) -> Path:
        data = tensors if isinstance(tensors, bytes) else save(tensors or weights)
        folder = tmp_path / "Nobody"
        folder.mkdir(exist_ok=True)
        (folder / "weights.safetensors").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        text = card.replace("{game}", "BankHeist").replace("{sha256}", sha256)
        (folder / "agent.toml").write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_round_trip(dtype: torch.dtype, write: Write, weights: dict[str, Tensor]) -> None:
    data, sha256 = encode_weights(weights, dtype)
    checkpoint = load_native(write(data))
    for name, value in checkpoint.module.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, weights[name].to(dtype).float())
    assert checkpoint.sha256 == sha256
    assert (checkpoint.name, checkpoint.game) == ("Nobody", "BankHeist")
    assert checkpoint.num_actions == 2
    assert checkpoint.preprocess == Preprocess()
    assert checkpoint.facts["training"] == {"algorithm": "none"}
    assert not checkpoint.module.training
    assert all(p.requires_grad and p.device.type == "cpu" for p in checkpoint.module.parameters())


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_is_written_is_read(kind: str, tmp_path: Path, frames: Tensor) -> None:
    network = NETWORKS[kind](3)
    folder = tmp_path / "Mine"
    facts = {"training": {"minutes": 1.5}, "licence": {"weights": "MIT"}}
    write_native(
        folder, network, kind=kind, num_actions=3, game="Pong", preprocess=Preprocess(), facts=facts
    )
    checkpoint = load_native(folder)
    assert (checkpoint.game, checkpoint.num_actions, checkpoint.name) == ("Pong", 3, "Mine")
    assert checkpoint.facts["training"] == facts["training"]
    rounded = network.half().float()
    assert torch.equal(checkpoint.module(frames / 255), rounded(frames / 255))


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write agent"):
        write_native(
            tmp_path / "file", nature_network(3), kind="nature", num_actions=3, game="Pong",
            preprocess=Preprocess(), facts={},
        )  # fmt: skip


def test_the_network_is_whole(write: Write, weights: dict[str, Tensor], frames: Tensor) -> None:
    twin = nature_network(2)
    twin.load_state_dict(weights)
    module = LOADERS["native"](write()).module
    assert torch.equal(module(frames / 255), twin(frames / 255))
    nn.functional.cross_entropy(module(frames / 255), torch.zeros(16).long()).backward()
    assert all(p.grad is not None for p in module.parameters())


def test_loading_draws_no_random_numbers(write: Write) -> None:
    folder = write()
    state = torch.random.get_rng_state()
    load_native(folder)
    assert torch.equal(torch.random.get_rng_state(), state)


def changed(weights: dict[str, Tensor], **tensors: Tensor | None) -> dict[str, Tensor]:
    """The weights with some replaced, or left out where None; __ stands for a dot."""
    new = weights | {name.replace("__", "."): value for name, value in tensors.items()}
    return {name: value for name, value in new.items() if value is not None}


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as error:
        load_native(folder)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) <= 500
    assert folder.name in message
    return message


BROKEN_WEIGHTS: dict[str, tuple[dict[str, Tensor | None], str]] = {
    "too few actions": ({"q__weight": torch.zeros(1, 512)}, "not a nature network's weights"),
    "wrong shape": ({"conv2__weight": torch.zeros(64, 32, 3, 3)}, "size mismatch for conv2.weight"),
    "missing": ({"dense__bias": None}, 'Missing key(s) in state_dict: "dense.bias"'),
    "superfluous": ({"more": torch.zeros(1)}, 'Unexpected key(s) in state_dict: "more"'),
    "nan": ({"q__bias": torch.tensor([0.0, torch.nan])}, "'q.bias' (torch.float32) is not all"),
    "infinite": ({"q__bias": torch.tensor([0.0, torch.inf])}, "'q.bias' (torch.float32) is not"),
    "overflow": ({"q__bias": torch.tensor([0, 1e300]).double()}, "'q.bias' (torch.float64) is not"),
    "integers": ({"q__bias": torch.zeros(2).int()}, "'q.bias' (torch.int32) is not all finite"),
    "complex": ({"q__bias": torch.zeros(2) * 1j}, "'q.bias' (torch.complex64) is not all finite"),
}


@pytest.mark.parametrize("kind", BROKEN_WEIGHTS)
def test_unusable_weights(kind: str, write: Write, weights: dict[str, Tensor]) -> None:
    tensors, message = BROKEN_WEIGHTS[kind]
    assert message in refusal(write(changed(weights, **tensors)))


def test_broken_files(
    write: Write, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = save(weights)
    assert "not a safetensors file" in refusal(write(data[:-1000]))
    assert "not a safetensors file" in refusal(write(b""))
    assert "not a safetensors file" in refusal(write(b"\xff" * 64))

    folder = write()
    path = folder / "weights.safetensors"
    path.write_bytes(data[:-1000])
    assert "the file is corrupt, truncated or not the agent's" in refusal(folder)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "sha256 is " in refusal(folder)
    path.unlink()
    assert "weights.safetensors' cannot be read: No such file" in refusal(folder)
    path.mkdir()
    assert "weights.safetensors' is not a file" in refusal(folder)

    monkeypatch.setattr(native, "MAX_BYTES", 1000)
    path.rmdir()
    assert f"{len(data)} bytes; at most 1000 are read" in refusal(write())


BROKEN_CARDS: dict[str, tuple[str, str, str]] = {
    "no toml": ("format =", "format", "cannot be read as an agent's card: "),
    "no number": ("num_actions = 2", "num_actions = 2\nscore = nan", "nan is no finite number"),
    "no format": ('format = "native"\n', "", "format 'None' with network 'nature' is not known"),
    "other format": ('"native"', '"pickle"', "format 'pickle' with network 'nature'"),
    "other network": ('"nature"', '"transformer"', "with network 'transformer' is not known"),
    "no network": ('[network]\nkind = "nature"', "[net]", "with network 'None' is not known"),
    "network is a number": ('[network]\nkind = "nature"', "network = 3\n[a]", "network 'None'"),
    "no game": ('game = "{game}"\n', "", "entry 'game' is missing"),
    "unknown game": ("{game}", "Bankheis", "unknown game 'Bankheis'; choose from BankHeist"),
    "newline in game": ("{game}", "Pong\\nPong", "unknown game 'Pong\\nPong'"),
    "game is a number": ('"{game}"', "3", "agent.toml: "),
    "no hash": ('sha256 = "{sha256}"', "", "entry 'sha256' is missing"),
    "file is a number": ('"weights.safetensors"', "3", "agent.toml: "),
    "weights elsewhere": ('"weights.safetensors"', '"../../../etc/passwd"', "Nobody/passwd' can"),
    "no action": ("num_actions = 2", "num_actions = 1", "at least 2 actions, got 1"),
    "actions in words": ("num_actions = 2", 'num_actions = "two"', "'two'"),
    "other actions": ("num_actions = 2", "num_actions = 6", "size mismatch for q.weight"),
    "a billion actions": ("num_actions = 2", "num_actions = 1000000000", "size mismatch for q.w"),
    "a billion frames": ("frames = 4", "frames = 1000000000", "frames must lie in 0..64"),
    "2^63 actions": ("num_actions = 2", "num_actions = 9223372036854775807", "agent.toml: "),
    "2^63 frames": ("frames = 4", "frames = 9223372036854775807", "agent.toml: "),
    "2^70 frames": ("frames = 4", f"frames = {2**70}", "agent.toml: "),
    "no frames": ("frames = 4", "frames = 0", "frames must be at least 1, got 0"),
    "frames in words": ("frames = 4", 'frames = "four"', "agent.toml: "),
    "frames in part": ("frames = 4", "frames = 4.0", "agent.toml: "),
    "all actions in words": ("_space = false", '_space = "no"', "agent.toml: "),
    "unknown preprocessing": ("frames = 4", "colour = true", "'colour'"),
    "preprocessing is a number": (
        '[network]\nkind = "nature"\nnum_actions = 2\n[preprocess]\n',
        'preprocess = 5\n[network]\nkind = "nature"\nnum_actions = 2\n[elsewhere]\n',
        "preprocess cannot be 5"),
    "preprocessing is a list": (
        "[preprocess]\nframes = 4\n", "[[preprocess]]\nframes = 4\n", "preprocess cannot be [{"),
    "other size": ("frames = 4", "height = 96", "size mismatch for dense.weight"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN_CARDS)
def test_unusable_cards(kind: str, write: Write) -> None:
    old, new, message = BROKEN_CARDS[kind]
    assert old in CARD
    assert message in refusal(write(card=CARD.replace(old, new, 1)))


def test_unreadable_cards(write: Write, tmp_path: Path) -> None:
    folder = write()
    (folder / "agent.toml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as an agent's card" in refusal(folder)
    (folder / "agent.toml").write_text("a = " + "[" * 100_000)
    assert "cannot be read as an agent's card" in refusal(folder)
    (folder / "agent.toml").unlink()
    assert "no agent.toml in it; weights.safetensors in it may be an agent" in refusal(folder)
    assert "No such file" in refusal(tmp_path / "nowhere")


def test_no_code_is_run(write: Write, tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "evil",))  # type: ignore[return-value]

    refusal(write(pickle.dumps(Evil())))
    assert not (tmp_path / "evil").exists()
