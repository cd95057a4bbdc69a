"""codecse format: options, exit status and the one line for bad input."""

import subprocess
import sys

import pytest

from espnet_codecse.bin.format_data import get_parser, main
from espnet_codecse.corpus.data_dir import read_data_dir, validate_data_dir
from espnet_codecse.errors import UserError


def test_formats_and_says_what_it_did(make_data_dir, tmp_path, capsys):
    source = make_data_dir()
    arguments = ["--fs", "8k", "--nj", "2", "--expected_count", "3", str(source), str(tmp_path / "dump")]
    assert main(arguments) == 0
    assert "3 of 3 utterances" in capsys.readouterr().out
    assert validate_data_dir(tmp_path / "dump", num_references=1) == 3
    assert set(read_data_dir(tmp_path / "dump")["utt2num_samples"].values()) == {"8000"}
    assert main(arguments) == 0
    assert "skipped" in capsys.readouterr().out


def test_same_folder_is_refused(make_data_dir):
    source = make_data_dir()
    with pytest.raises(UserError, match="same folder"):
        main([str(source), str(source)])


def test_rate_must_be_a_number(capsys):
    assert get_parser().parse_args(["--fs", "44.1k", "a", "b"]).fs == 44100
    with pytest.raises(SystemExit):
        get_parser().parse_args(["--fs", "fast", "a", "b"])
    assert "'fast' is not a sample rate" in capsys.readouterr().err


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    for module in ("format_data", "prepare_mini", "data_dir", "doctor"):
        code = (
            f"import sys, espnet_codecse.bin.{module} as m; m.get_parser().format_help(); "
            "print([n for n in ('numpy', 'torch', 'espnet2', 'soundfile') if n in sys.modules])"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout.strip() == "[]", module
