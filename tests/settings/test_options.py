"""Options by name: how values are read, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sap_rl.errors import UsageError
from sap_rl.schema import read_options
from sap_rl.settings.options import audit_options, eval_options, read_option, read_yaml


def test_a_value_is_read_by_the_table_that_is_asked() -> None:
    assert read_option("frames", "newest") == "newest"
    assert read_options({"attack_frames": "64"}, audit_options()) == {"attack_frames": 64}
    with pytest.raises(UsageError, match="attack_frames: cannot use 'newest'"):
        read_options({"attack_frames": "newest"}, audit_options())
    with pytest.raises(UsageError, match="unknown option 'epsilon'; choose from"):
        read_options({"epsilon": 0.1}, audit_options())


@pytest.mark.parametrize("text", ["", "- 1", "game: [", "\x00", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"config '.*x\.yaml'") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_yaml_keys_may_be_spelled_like_flags(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("max-frames: 400\n")
    assert read_yaml(path) == {"max_frames": 400}


def test_every_option_has_its_line_of_help() -> None:
    for option in (*eval_options().values(), *audit_options().values()):
        assert option.help
        assert "\n" not in option.help
