"""The command line as a whole: help at once, exit codes, one line for bad input."""

import errno
import json
import os
import signal
import subprocess
import sys
from unittest import mock

import pytest

from espnet_codecse import __version__
from espnet_codecse.bin import main as command_line
from espnet_codecse.bin.main import COMMANDS, main

HEAVY = ("torch", "espnet2", "transformers", "soundfile", "scipy", "matplotlib")

HELP_OF_ALL = f"""
import contextlib, io, json, sys
from espnet_codecse.bin.main import main
found = {{}}
for name in sys.argv[1:]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([name, "--help"] if name != "-" else ["--help"])
    found[name] = [text.getvalue(), sorted(set({HEAVY}) & set(sys.modules))]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_help_of_every_command_imports_nothing_heavy():
    command = [sys.executable, "-c", HELP_OF_ALL, "-", *COMMANDS]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    for name, (text, modules) in found.items():
        assert "usage: codecse" in text, name
        assert not modules, name
        if name != "-":
            assert f"codecse {name}" in text


def test_help_lists_all_commands(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert main([]) == 2
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.endswith(__version__ + "\n")


def test_unknown_command(capsys):
    assert main(["improve"]) == 2
    text = capsys.readouterr().err
    assert "unknown command 'improve'" in text and "infer" in text


def test_bad_input_is_one_line(capsys, tmp_path):
    assert main(["infer", "--codec", "small", "--output_dir", str(tmp_path), str(tmp_path / "no.scp")]) == 1
    text = capsys.readouterr().err
    assert text.startswith("codecse infer: ") and "no such file" in text and text.count("\n") == 1


def test_interruption(monkeypatch, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr("espnet_codecse.bin.config.main", interrupted)
    assert main(["config"]) == 130
    assert "interrupted; run the same command again to resume" in capsys.readouterr().err


def test_reader_that_closes_the_output():
    program = [sys.executable, "-c", "import sys; from espnet_codecse.bin.main import main; sys.exit(main())", "--help"]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 128 + signal.SIGPIPE


def test_names_that_the_terminal_cannot_show():
    source = r"from espnet_codecse.bin.main import main; main(['--version']); print('caf\udce9 \u65e5')"
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, check=True)
    assert result.stdout.endswith(b"caf\\udce9 \\u65e5\n") and not result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_unknown_option(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--no_such_option"])
    assert caught.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_as_a_program():
    command = [sys.executable, "-m", command_line.__name__, "nothing"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "unknown command 'nothing'" in run.stderr


@pytest.mark.parametrize(
    "chosen, expected",
    [({}, "2000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
    ids=["default", "spins", "policy"],
)
def test_threads_spin_for_microseconds_unless_the_user_says_otherwise(chosen, expected):
    with mock.patch.dict(os.environ):
        for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
            os.environ.pop(name, None)
        os.environ.update(chosen)
        with pytest.raises(SystemExit):
            main(["enhance", "--help"])
        assert os.environ.get("GOMP_SPINCOUNT") == expected


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, ""), RuntimeError("Too many open files. C")])
def test_too_many_open_files_are_one_line(monkeypatch, capsys, error):
    def fail(argv):
        raise error

    monkeypatch.setattr("espnet_codecse.bin.doctor.main", fail)
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err.startswith("codecse doctor: too many open files; raise the limit with 'ulimit -n")
    monkeypatch.setattr("espnet_codecse.bin.doctor.main", mock.Mock(side_effect=RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        main(["doctor"])
