"""Names of games and facts about them."""

from __future__ import annotations

import re

import ale_py
import gymnasium
import pytest

from sap_rl import UsageError, make_atari
from sap_rl.atari.games import FACTS, canonical_game, game_facts, rom_ids


@pytest.mark.parametrize(
    ("name", "game"),
    [
        ("BankHeist", "BankHeist"),
        ("bank_heist", "BankHeist"),
        ("bankheist", "BankHeist"),
        ("BANK-HEIST", "BankHeist"),
        ("ALE/BankHeist-v5", "BankHeist"),
        ("BankHeistNoFrameskip-v4", "BankHeist"),
        ("BankHeistDeterministic-v0", "BankHeist"),
        ("Up 'n Down", "UpNDown"),
        ("up_n_down", "UpNDown"),
        ("pong", "Pong"),
        ("tic_tac_toe_3d", "TicTacToe3d"),
    ],
)
def test_spellings(name: str, game: str) -> None:
    assert canonical_game(name) == game


def test_every_game_of_gymnasium_is_known() -> None:
    gymnasium.register_envs(ale_py)
    ids = [name for name in gymnasium.registry if re.fullmatch(r"ALE/\w+-v5", name)]
    assert len(ids) > 100
    for name in ids:
        assert canonical_game(name) in rom_ids()


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("BankHiest", "BankHeist"),
        ("spaceinvader", "SpaceInvaders"),
        ("pongg", "Pong"),
        ("MsPacMna", "MsPacman"),
    ],
)
def test_the_nearest_name_comes_first(typo: str, nearest: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make_atari(typo)
    assert str(refusal.value).startswith(f"unknown game '{typo}'; choose from {nearest}, ")
    assert "\n" not in str(refusal.value)


def test_facts() -> None:
    assert set(FACTS) <= set(rom_ids())
    assert game_facts("Tetris").human is None
    bank_heist = game_facts("BankHeist")
    assert (bank_heist.random, bank_heist.human) == (14.2, 753.1)
    assert bank_heist.paper_percent[4.0] == 1760.0
    for facts in FACTS.values():
        assert facts.random is not None
        assert facts.human is not None
        assert facts.random < facts.human
        assert all(isinstance(lam, float) for lam in facts.paper_percent)
