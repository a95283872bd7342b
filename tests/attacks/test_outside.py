"""An outsider's attack: what it is shown, what the referee refuses, what it is called."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sap_rl import Agent, Preprocess, UsageError
from sap_rl.attacks import ATTACKS, make_attack
from sap_rl.attacks.adversary import Adversary
from sap_rl.attacks.names import is_outside
from sap_rl.attacks.outside import admit
from sap_rl.attacks.threat import Threat
from sap_rl.audit.settings import AuditSettings
from sap_rl.audit.suite import Kind, applied, opponents, outsiders
from sap_rl.cli import main
from sap_rl.evaluation.settings import Settings
from sap_rl.networks.nature import nature_network
from sap_rl.play.players import Players

FIRST = torch.ones(3, dtype=torch.bool)
MINE = '''
import torch


def down(frames, scores, lam, generator):
    """The sign of the label's lead, the best there is on a linear Q."""
    frames.requires_grad_(True)
    values = scores(frames)
    best = values.argmax(1, keepdim=True)
    lead = values.gather(1, best).sum() - values.scatter(1, best, -1e9).amax(1).sum()
    (slope,) = torch.autograd.grad(lead, frames)
    return (frames.detach() - lam * slope.sign()).clamp(0, 255)


def drawn(frames, scores, lam, generator):
    return frames if torch.rand(1, generator=generator) < 2 else None


def far(frames, scores, lam, generator):
    return (frames + 1.5 * lam).clamp(0, 255)


def outside(frames, scores, lam, generator):
    return frames + lam


def hole(frames, scores, lam, generator):
    return frames * float("nan")


def small(frames, scores, lam, generator):
    return frames[:, :1]


def double(frames, scores, lam, generator):
    return frames.double()


def nothing(frames, scores, lam, generator):
    pass


def broken(frames, scores, lam, generator):
    raise KeyError("a\\nkey")


number = 3
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def struck(path: Path, name: str, q: Any, pixels: Tensor, lam: float, **threat: Any) -> Tensor:
    """What an agent receives under the attack of that name."""
    attack = make_attack(admit(f"{path}:{name}"))
    return Adversary(q, attack, Threat(lam, **threat), 0).perturb(pixels, FIRST).pixels


def test_it_sees_pixels_and_gradients(mine: Path, linear: Callable[..., Any], unit: Tensor) -> None:
    """On a linear Q the best attack is lam * sign(w) inside the box; pixels without weight stay."""
    q, pixels = linear(), unit * 255
    found = struck(mine, "down", q, pixels, 2.0)
    assert torch.allclose(found, (pixels + 2 * q.weight.sign()).clamp(0, 255), atol=1e-4)
    still = (q.weight == 0).expand_as(pixels)
    assert found[still].equal(pixels[still])
    assert torch.allclose(q.calls[0], unit), "the label comes from the first look"


def test_scores_are_the_mean_of_a_random_victims_passes(mine: Path, unit: Tensor) -> None:
    """Noise that alternates between passes has no mean over two of them; over one the gradient is
    that of the first pass, 100 on the wrong side."""

    def noisy(obs: Tensor) -> Tensor:
        rows = torch.arange(len(obs)) // len(unit)
        score = obs.flatten(1).sum(1) * (1.0 + 100.0 * (1 - 2 * (rows % 2)))
        return torch.stack([1e6 - score, score], 1)

    generator = torch.Generator()
    name = admit(f"{mine}:down")
    for samples, slope in ((1, 101.0), (2, 1.0)):
        attack: Any = ATTACKS[name](grad_samples=samples)
        seen: list[Tensor] = []

        def look(frames: Tensor, scores: Any, lam: float, _: Any, seen: Any = seen) -> Tensor:
            (found,) = torch.autograd.grad(scores(frames.requires_grad_(True))[:, 1].sum(), frames)
            seen.append(found)
            return frames.detach()

        replace(attack, change=look)(noisy, unit, Threat(1.0), generator=generator)
        assert torch.allclose(seen[0] * 255, torch.full_like(unit, slope), rtol=1e-4)


def test_its_name_holds_the_files_hash(mine: Path) -> None:
    name = admit(f"{mine}:down")
    assert is_outside(name)
    assert name.startswith("mine.py:down@")
    assert admit(f"{mine.parent}/{name}") == name == admit(f"{mine}:down")
    mine.write_text(MINE.replace("lam * slope", "0.5 * lam * slope"))
    edited = admit(f"{mine}:down")
    assert edited != name
    with pytest.raises(UsageError, match="is not what it was: its hash is"):
        admit(f"{mine.parent}/{name}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("far", "distance 3 exceeds lambda 2"),
        ("outside", "the attack's pixels reach 2..257, outside 0..255"),
        ("hole", "360 pixels that are not finite"),
        ("small", r"gave torch.float32 \[3, 1, 6, 5\], not torch.float32 \[3, 4, 6, 5\]"),
        ("double", "gave torch.float64"),
        ("nothing", "gave a NoneType, no tensor"),
        ("broken", r"attack mine.py:broken@\w{12} failed: KeyError 'a\\nkey'"),
    ],
)
def test_what_breaks_the_rules_is_one_line(
    name: str, message: str, mine: Path, linear: Callable[..., Any], unit: Tensor
) -> None:
    with pytest.raises(UsageError, match=message):
        struck(mine, name, linear(), unit * 255, 2.0)


def test_older_frames_are_not_its_own(mine: Path, linear: Callable[..., Any], unit: Tensor) -> None:
    with pytest.raises(UsageError, match="an older frame changed by 2 pixels"):
        struck(mine, "down", linear(), unit * 255, 2.0, frames="newest")


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ("mine.py:dwn", "unknown attack of '.*mine.py' 'dwn'; choose from down, drawn"),
        ("mine.py:number", "'number' of '.*mine.py' is a int, which cannot be called"),
        ("other.py:down", "other.py' cannot be read: No such file"),
        ("torn.py:down", "torn.py' cannot be executed: SyntaxError"),
        ("mine.py", "an attack of a file is spelled FILE.py:NAME, got"),
        ("a b.py:down", "is spelled FILE.py:NAME"),
    ],
)
def test_files_that_hold_no_attack_are_one_line(mine: Path, spelled: str, message: str) -> None:
    (mine.parent / "torn.py").write_text("def down(:")
    with pytest.raises(UsageError, match=message):
        admit(f"{mine.parent}/{spelled}")


def test_a_result_is_read_where_its_file_is_not_and_nothing_is_played() -> None:
    """Settings of a stored result name an attack that was never loaded here."""
    settings = Settings(game="BankHeist", lams=(1.0,), attack="gone.py:attack@0123456789ab")
    with torch.random.fork_rng():
        agent = Agent(nature_network(18), Preprocess(), name="small", game="BankHeist")
    with pytest.raises(UsageError, match="it plays where --attack names its file"):
        Players(agent, settings.protocol, 0, settings.attack)
    with pytest.raises(UsageError, match=r"unknown attack 'gone.py:attack'"):
        Settings(game="BankHeist", lams=(1.0,), attack="gone.py:attack")


def test_in_an_audit_it_always_plays(mine: Path) -> None:
    """By both gradients against a defence, once against the original."""
    name = admit(f"{mine}:down")
    lines = outsiders(AuditSettings("BankHeist", attack=name).attack)
    behind, alone = Kind(True, ("mask",), undefended=False), Kind(False, (), undefended=True)
    assert [e.title for e in applied(behind, lines)] == [f"{name} x2", f"{name} original"]
    assert [e.title for e in opponents(alone, lines)][-1:] == [f"{name} original"]
    assert outsiders(None) == ()
    with pytest.raises(UsageError, match=r"attack must be FILE.py:NAME, learned:FILE or .*'pgd'"):
        AuditSettings("BankHeist", attack="pgd")


def test_the_command_plays_it(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"
    argv = ["eval", "--game", "BankHeist", "--lambda", "1", "--episodes", "1", "--max-frames", "40",
            "--defense", "none", "--no-controls", "--quiet", "--attack"]  # fmt: skip
    assert main([*argv, f"{mine}:down", "--json", str(target)]) == 0
    name = admit(f"{mine}:down")
    assert json.loads(target.read_text())["config"]["attack"] == name
    capsys.readouterr()
    assert main([*argv, f"{mine}:far"]) == 2
    assert capsys.readouterr().err == "sap-rl: the attack's distance 1.5 exceeds lambda 1\n"
    assert main([*argv, f"{mine}:down", "--steps", "5"]) == 2
    assert f"attack '{name}' has no option 'steps'; it takes: grad_samples" in (
        capsys.readouterr().err
    )
