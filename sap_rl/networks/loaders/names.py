"""Which checkpoint formats are read, and where each stands; loads none of them."""

from __future__ import annotations

NATIVE = "native"
"""Our own, a folder; the others are told apart by a file's tensors."""

LOADER_NAMES: dict[str, str] = {
    NATIVE: "sap_rl.networks.loaders.native:FORMAT",
    "sb3": "sap_rl.networks.loaders.sb3:FORMAT",
    "sb3-qrdqn": "sap_rl.networks.loaders.sb3_qrdqn:FORMAT",
    "sb3-actor": "sap_rl.networks.loaders.sb3_actor:FORMAT",
    "cleanrl": "sap_rl.networks.loaders.cleanrl:FORMAT",
    "cleanrl-ppo": "sap_rl.networks.loaders.cleanrl_ppo:FORMAT",
    "cleanrl-c51": "sap_rl.networks.loaders.cleanrl_c51:FORMAT",
    "crop": "sap_rl.networks.loaders.crop:FORMAT",
    "tianshou": "sap_rl.networks.loaders.tianshou:FORMAT",
    "tianshou-c51": "sap_rl.networks.loaders.tianshou_c51:FORMAT",
    "tianshou-actor": "sap_rl.networks.loaders.tianshou_actor:FORMAT",
    "sa-dqn": "sap_rl.networks.loaders.sa_dqn:FORMAT",
    "radial": "sap_rl.networks.loaders.radial:FORMAT",
    "paad": "sap_rl.networks.loaders.paad:FORMAT",
    "pfrl": "sap_rl.networks.loaders.pfrl:FORMAT",
    "atari-agents": "sap_rl.networks.loaders.atari_agents:FORMAT",
}
"""Name -> "module:entry", a `Format`; where more than one fits a file, they are asked about in
this order."""
