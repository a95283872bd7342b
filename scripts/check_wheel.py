"""Check what an installed sap_rl says of itself and brings along; run it outside of a checkout.

cd /tmp && python - < scripts/check_wheel.py
"""

from __future__ import annotations

from importlib.metadata import entry_points, metadata
from pathlib import Path

import sap_rl
from sap_rl.networks.lookup import shipped_agents
from sap_rl.settings.shipped import shipped_configs

EXTRAS = {
    "completion",
    "docs",
    "gymnasium",
    "hub",
    "parquet",
    "ray",
    "report",
    "sb3",
    "tensorboard",
    "test",
}

package = Path(sap_rl.__file__).parent
said = metadata("sap-rl")
assert package.parent.name == "site-packages", f"{package} is a checkout"
assert said["Version"] == sap_rl.__version__, said["Version"]
assert said["License-Expression"] == "MIT", said["License-Expression"]
assert said["Requires-Python"] == ">=3.11", said["Requires-Python"]
assert said["Description-Content-Type"] == "text/markdown", said["Description-Content-Type"]
assert str(said.get_payload()).startswith("# sap_rl"), "the README is not in it"
assert set(said.get_all("Provides-Extra", [])) >= EXTRAS, said.get_all("Provides-Extra")
assert [entry.value for entry in entry_points(name="sap-rl")] == ["sap_rl.__main__:main"]
assert (package / "py.typed").is_file(), "py.typed is not in it"
assert "BankHeist" in shipped_agents(), shipped_agents()
assert {"paper_table", "harden/quick", "train/ddqn"} <= set(shipped_configs()), shipped_configs()
places = {*shipped_agents().values(), *shipped_configs().values()}
assert all(package in place.parents for place in places), places
print(f"sap-rl {said['Version']}: {len(shipped_agents())} agents, {len(shipped_configs())} configs")
