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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lambda: 1\ngame: Pong\nlambda: 4\n", "key 'lambda' is said twice, again in line 3"),
        ("game: Pong\n'game': Pong\n", "key 'game' is said twice, again in line 2"),
        ("game: Pong\nlambda: 1:30\n", "1:30 in line 2 is a number to another base in YAML"),
        ("seed: 010\n", "010 in line 1 is a number to another base in YAML"),
        ("preprocess: {scale: unit, scale: pixels}", "key 'scale' is said twice"),
        ("experiments:\n- seed: 1\n  seed: 2\n", "key 'seed' is said twice, again in line 3"),
        ("a: &a {b: 1, b: 2}\nc: *a\n", "key 'b' is said twice, again in line 1"),
        ("max-frames: 1\nmax_frames: 2\n", "'max_frames' is said twice, with - and with _"),
        ("1: a\n1: b\n", "key '1' is said twice"),
        ("? [a]\n: 1\n? [a]\n: 2\n", "found unhashable key"),
    ],
)
def test_what_yaml_would_misread_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_yaml(path)


def test_the_encoding_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes("game: Pong\n".encode("utf-8-sig"))
    assert read_yaml(path) == {"game": "Pong"}
    path.write_bytes("game: Pong\n".encode("utf-16"))
    with pytest.raises(UsageError, match=r"it is no UTF-8 text \(byte 0\): save it as UTF-8"):
        read_yaml(path)


def test_a_merged_key_may_be_said_again(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: &a {seed: 1, lam: 2}\nb: &b {<<: *a, seed: 3}\nc: {<<: *b, seed: 4}\n")
    assert read_yaml(path)["c"] == {"seed": 4, "lam": 2}


def test_a_preprocess_says_each_entry_once() -> None:
    with pytest.raises(UsageError, match="preprocess says scale twice"):
        read_option("preprocess", ["scale=unit", "scale=pixels"])
    with pytest.raises(UsageError, match="'max_pool' is said twice, with - and with _"):
        read_option("preprocess", {"max_pool": True, "max-pool": False})


def test_yaml_keys_may_be_spelled_like_flags(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("max-frames: 400\n")
    assert read_yaml(path) == {"max_frames": 400}


def test_every_option_has_its_line_of_help() -> None:
    for option in (*eval_options().values(), *audit_options().values()):
        assert option.help
        assert "\n" not in option.help
