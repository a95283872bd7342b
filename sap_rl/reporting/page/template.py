"""Fills the templates of this folder; needs the extra `report`."""

from __future__ import annotations

import re
from base64 import b64encode
from importlib.metadata import version
from importlib.resources import files
from typing import Any

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys or a browser reorders the text by; names of files may hold it."""


def filled_page(template: str, **values: Any) -> str:
    """A whole page of that template; everything is escaped but what a template calls `svg`, which
    `inline_svg` escapes."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sap_rl.reporting", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda data: b64encode(data).decode()
    environment.filters["svg"] = Markup
    css = (files("sap_rl.reporting") / "page" / "report.css").read_text(encoding="utf-8")
    page = environment.get_template(template)
    filled = page.render(css=Markup(css), version=version("sap-rl"), **values)
    return UNSEEN.sub(lambda found: f"\\x{ord(found[0]):02x}", filled)
