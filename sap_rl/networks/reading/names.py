"""What people's programs put before the names of a network's tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sap_rl.networks.reading.contents import NO_NETWORK

Names = dict[str, str]
"""Of tensors: in the file -> as formats know them."""
HOLDERS = (
    "agent", "dqn", "model", "net", "network", "online", "online_net", "policy", "policy_net",
    "q_net", "q_network", "qnet", "value_net",
)  # fmt: skip
"""What people call the attribute that holds the network."""
BARE = re.compile(r"\d+\.(weight|bias)$")
"""A name in a plain sequence of layers."""


def other_names(tensors: Iterable[str]) -> Iterator[Names]:
    """The names without what wrappers put before them, or with what a Stable-Baselines3 policy
    puts before its network's, one step after another."""
    names = {name: name for name in tensors}
    for strip in (_as_policy, _without_compiled, _without_wrappers, *[_without_holder] * 2):
        found = strip(names)
        if found != names and len(set(found.values())) == len(found):
            names = found
            yield names


def _as_policy(names: Names) -> Names:
    """A network of Stable-Baselines3 by itself, as its policy names it."""
    if not any(new.startswith("features_extractor.") for new in names.values()):
        return names
    quantiles = any(new.startswith("quantile_net.") for new in names.values())
    return {old: f"{'quantile' if quantiles else 'q'}_net.{new}" for old, new in names.items()}


def _without_compiled(names: Names) -> Names:
    return {old: re.sub(r"(^|\.)_orig_mod\.", r"\1", new) for old, new in names.items()}


def _without_wrappers(names: Names) -> Names:
    return {old: re.sub(r"(^|\.)module\.", r"\1", new) for old, new in names.items()}


def _without_holder(names: Names) -> Names:
    """Without the network's place in an agent, and without the agent's target network; as they are
    where bare numbers would be left, which say nothing of whose they are."""
    playing = {old: new for old, new in names.items() if not NO_NETWORK.search(new)}
    first = {new.partition(".")[0] for new in playing.values()}
    if len(first) != 1 or not first <= {*HOLDERS}:
        return names
    found = {old: new.partition(".")[2] for old, new in playing.items()}
    return names if all(BARE.match(new) for new in found.values()) else found
