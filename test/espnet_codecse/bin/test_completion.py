"""Completion in a real shell."""

import shutil
import subprocess
import sys

import pytest

from espnet_codecse.bin import completion
from espnet_codecse.errors import UserError

pytest.importorskip("shtab")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "codecse.bash"
    path.write_text(
        subprocess.run(["codecse", "completion", "bash"], capture_output=True, text=True, check=True).stdout
    )
    return path


@pytest.mark.parametrize(
    "words, expected, others",
    [
        (["codecse", "enh"], {"enhance"}, {"stream"}),
        (["codecse", "enhance", "--mo"], {"--model", "--mono"}, {"--mix"}),
        (["codecse", "enhance", "--from", ""], {"wave", "codes"}, set()),
    ],
)
def test_bash_offers_commands_options_and_values(script, words, expected, others):
    code = f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; '
    code += 'f=$(complete -p codecse | grep -o -e "-F [^ ]*" | cut -c4-); "$f"; printf "%s\\n" "${COMPREPLY[@]}"'
    result = subprocess.run(["bash", "-c", code, "bash", *words], capture_output=True, text=True, check=False)
    found = {line.strip() for line in result.stdout.splitlines()}
    assert expected <= found and not others & found, (found, result.stderr)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_takes_the_script():
    text = subprocess.run(["codecse", "completion", "zsh"], capture_output=True, text=True, check=True).stdout
    assert subprocess.run(["zsh", "-n"], input=text, text=True, check=False).returncode == 0


def test_without_shtab(monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(UserError, match="pip install shtab"):
        completion.main(["bash"])
