"""The three lines, as if they stood in the lists, which are loaded with them before the rest."""

import importlib.util
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "sap_rl"


def add(module: str, table: str, name: str, place: str) -> None:
    """Load a list of names with one line more."""
    full = f"sap_rl.{module}"
    if full not in sys.modules:
        file = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
        spec = importlib.util.spec_from_file_location(full, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    getattr(sys.modules[full], table)[name] = place


add("attacks.names", "ATTACK_NAMES", "rings", "rings:RINGS")
add("defenses.names", "DEFENSE_NAMES", "bits", "bits:DEFENSE")
add("networks.loaders.names", "LOADER_NAMES", "added", "added_format:FORMAT")
