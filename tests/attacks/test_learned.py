"""A learned attacker: what its director sees, what its ranks mean, which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sap_rl import Threat, UsageError
from sap_rl.attacks import make_attack
from sap_rl.attacks.learned import Learned, admit_learned, count_sights, sights
from sap_rl.attacks.names import is_outside
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import outsiders

LEADS = torch.tensor([0.1, 0.3, 0.0, 0.2])
"""Four actions, each moved by a pixel of its own: within 0.2 every one can be made the best."""


def planted(obs: Tensor) -> Tensor:
    return LEADS + obs.flatten(1)[:, :4] - 0.5


def frames() -> Tensor:
    return torch.full((2, 2, 14, 14), 0.5)


def policy(rank: int, actions: int = 4) -> dict[str, Tensor]:
    """A director that always chooses this rank."""
    layer = "mlp_extractor.policy_net"
    tensors = {
        f"{layer}.0.weight": torch.zeros(3, count_sights(actions)),
        f"{layer}.0.bias": torch.zeros(3),
        f"{layer}.2.weight": torch.zeros(3, 3),
        f"{layer}.2.bias": torch.zeros(3),
        "action_net.weight": torch.zeros(actions, 3),
        "action_net.bias": torch.zeros(actions),
    }
    tensors["action_net.bias"][rank] = 1.0
    return tensors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine-1.safetensors"


@pytest.mark.parametrize(("rank", "action"), list(enumerate([1, 3, 0, 2])))
def test_ranks_count_from_the_best_action(path: Path, rank: int, action: int) -> None:
    save_file(policy(rank), path)
    attack = make_attack(admit_learned(f"learned:{path}"))
    adv = attack(planted, frames(), Threat(0.2 * 255), generator=torch.Generator())
    assert planted(adv).argmax(1).tolist() == [action, action]
    assert torch.equal(adv, frames()) == (rank == 0)


def test_the_director_chooses_by_what_it_sees() -> None:
    """A frame that brightened and one that darkened, told apart by the newest minus the oldest."""
    obs = frames()
    obs[0, -1, 5:] = 0.7
    obs[1, -1, 5:] = 0.3

    def director(seen: Tensor) -> Tensor:
        change = seen[:, -14 * 14 :].mean(1, keepdim=True)
        return torch.cat([torch.zeros_like(change), change, -change, change - 1], 1)

    adv = Learned(director)(planted, obs, Threat(0.2 * 255), generator=torch.Generator())
    assert planted(adv).argmax(1).tolist() == [3, 0]


def test_what_a_director_sees() -> None:
    obs = torch.rand((1, 3, 28, 28), generator=torch.Generator().manual_seed(0))
    seen = sights(torch.tensor([[1.0, 3.0, 2.0, 2.0]]), obs)[0]
    assert len(seen) == count_sights(4) == 8 + 1 + 2 * 196
    torch.testing.assert_close(seen[:4], torch.tensor([-2.0, 0.0, -1.0, -1.0]))
    torch.testing.assert_close(seen[4:8], torch.tensor([0.0, -1.0, -1.0, -2.0]))
    assert float(seen[8]) == 0.0  # the scores lie 1 below the best on average
    torch.testing.assert_close(seen[9], obs[0, 2, :2, :2].mean())
    torch.testing.assert_close(seen[9 + 196], (obs[0, 2] - obs[0, 0])[:2, :2].mean())


def test_its_name_is_of_the_files_contents(path: Path) -> None:
    save_file(policy(1), path)
    name = admit_learned(f"learned:{path}")
    assert is_outside(name)
    assert name.startswith("learned:mine-1.safetensors@")
    assert admit_learned(f"learned:{path}@{name[-12:]}") == name
    save_file(policy(2), path)
    other = admit_learned(f"learned:{path}")
    assert other != name
    with pytest.raises(UsageError, match=f"its hash is {other[-12:]}, not {name[-12:]}"):
        admit_learned(f"learned:{path}@{name[-12:]}")
    settings = AuditSettings("BankHeist", (1.0,), attack=name)
    own, transferred = outsiders(settings.attack)
    assert (own.victim, transferred.victim) == ("own", "original")


def broken(path: Path, **changed: Any) -> Path:
    tensors = {**policy(1), **{name.replace("__", "."): value for name, value in changed.items()}}
    save_file({name: value for name, value in tensors.items() if value is not None}, path)
    return path


def test_files_that_are_no_attackers_are_refused_in_one_line(path: Path) -> None:
    def refused() -> str:
        with pytest.raises(UsageError) as error:
            admit_learned(f"learned:{path}")
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "cannot be read" in refused()
    for made in (b"", b"pickle", b"\x80\x04N."):
        path.write_bytes(made)
        assert "no learned attacker" in refused()
    torch.save(policy(1), path)  # a pickle is not even looked into
    assert "no learned attacker" in refused()
    for changed in (
        {"action_net__bias": None},
        {"action_net__bias": torch.tensor([0.0, 1.0, torch.nan, 0.0])},
        {"action_net__weight": torch.zeros(4, 7)},
        {"action_net__weight": torch.zeros(4)},
        {"action_net__weight": torch.zeros(5, 3), "action_net__bias": torch.zeros(5)},
    ):
        assert "no learned attacker" in (broken(path, **changed), refused())[1]
    assert set(load_file(path)) == set(policy(1))
    with pytest.raises(UsageError, match="is spelled learned:FILE"):
        admit_learned("learned:a b.safetensors")


def test_an_audit_learns_alone_and_at_one_lambda() -> None:
    assert AuditSettings("BankHeist", (1.0,), learned=True, attack=None).minutes == 60
    assert AuditSettings("BankHeist", (1.0,), attack="lookahead").attack == "lookahead"
    for lams, attack, told in (
        ((0.5, 1.0), None, "lambda 0.5, lambda 1"),
        ((1.0,), "lookahead", "lookahead"),
    ):
        with pytest.raises(UsageError, match=f"learns alone and at one lambda, got {told}"):
            AuditSettings("BankHeist", lams, learned=True, attack=attack)
    with pytest.raises(UsageError, match=r"attack must be FILE\.py:NAME.*, got 'pgd'"):
        AuditSettings("BankHeist", (1.0,), attack="pgd")
