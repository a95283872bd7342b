"""Which corruptions there are, and where each stands; read without loading any of them."""

from __future__ import annotations

CORRUPTION_NAMES: dict[str, str] = {
    "shift": "sap_rl.corruptions.shift:SHIFT",
    "rotate": "sap_rl.corruptions.rotate:ROTATE",
    "scale": "sap_rl.corruptions.scale:SCALE",
    "brightness": "sap_rl.corruptions.brightness:BRIGHTNESS",
    "contrast": "sap_rl.corruptions.contrast:CONTRAST",
    "blur": "sap_rl.corruptions.blur:BLUR",
    "gaussian": "sap_rl.corruptions.gaussian:GAUSSIAN",
    "salt-pepper": "sap_rl.corruptions.salt_pepper:SALT_PEPPER",
    "jpeg": "sap_rl.corruptions.jpeg:JPEG",
    "occlude": "sap_rl.corruptions.occlude:OCCLUDE",
    "freeze": "sap_rl.corruptions.freeze:FREEZE",
    "delay": "sap_rl.corruptions.delay:DELAY",
}
"""Name -> "module:entry", a `Corruption`; in the order of tables and of an audit's profile."""
