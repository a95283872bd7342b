"""The completion of bash, asked as bash asks it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sap_rl.cli import main

ASKED = """
source completion
COMP_WORDS=({words} "") COMP_CWORD={count}
_shtab_sap_rl 2>/dev/null
echo "${{COMPREPLY[@]}}"
"""


def printed(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_bash_completes_commands_words_and_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "completion").write_text(printed("bash", capsys))
    (tmp_path / "folder").mkdir()
    for words, completed in {
        "sap-rl agents": {"list", "show", "import", "export", "check"},
        "sap-rl audit --effort": {"quick", "standard", "thorough"},
        "sap-rl plot --out-dir": {"folder"},
        "sap-rl report": {"folder", "completion"},
    }.items():
        script = ASKED.format(words=words, count=len(words.split()))
        found = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        assert set(found.stdout.split()) == completed, words


@pytest.mark.parametrize(
    ("shell", "flag"), [("bash", "--effort"), ("zsh", '"--effort['), ("tcsh", "effort")]
)
def test_every_shell_knows_the_flags_and_not_their_former_names(
    shell: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(shell, capsys)
    assert flag in text
    assert flag.replace("effort", "budget") not in re.sub(r"budgets? \S+", "", text)


def test_another_shell_and_a_missing_shtab_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--print-completion", "fish"]) == 2
    assert "unknown shell 'fish'; choose from" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 2
    said = "sap-rl: shell completions need shtab: pip install 'sap-rl[completion]'\n"
    assert capsys.readouterr().err == said
