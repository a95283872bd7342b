"""Frames of a real game, a network, an agent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

import tests.typecheck  # noqa: F401 (annotations are checked by it: known before sap_rl is)
from sap_rl import Agent, Protocol, load_agent, make_atari
from sap_rl.attacks.names import ATTACK_NAMES, is_outside
from sap_rl.networks.nature import nature_network

torch.set_num_threads(1)  # the tests run side by side, and sums then have one order


@pytest.fixture(autouse=True)
def _outsiders_leave() -> Iterator[None]:
    """An attack that a test admits is in no other test's tables."""
    yield
    for name in [name for name in ATTACK_NAMES if is_outside(name)]:
        del ATTACK_NAMES[name]


@pytest.fixture(scope="session")
def recorded() -> np.ndarray:
    """Uint8 stacks [16, 4, 84, 84] of BankHeist under random actions."""
    envs = make_atari("BankHeist", 4, protocol=Protocol(noop_max=0))
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    seen = [envs.step(rng.integers(18, size=4))[0] for _ in range(60)]
    envs.close()
    stacks = np.concatenate(seen[14::15])
    stacks.setflags(write=False)
    return stacks


@pytest.fixture
def frames(recorded: np.ndarray) -> torch.Tensor:
    """The recorded stacks, a copy for each test."""
    return torch.from_numpy(recorded.copy())


@pytest.fixture
def network() -> nn.Sequential:
    """A Nature network with 18 actions, random weights of a fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nature_network(18)


@pytest.fixture
def agent() -> Agent:
    """The agent of BankHeist that is shipped."""
    return load_agent("BankHeist")
