"""``codecse extract`` as a user calls it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_codecs import save_mdct

from espnet_codecse.bin.extract import get_parser, main
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp, write_scp

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def small_set(tmp_path):
    """A codec's folder and a data directory of two recordings."""
    save_mdct(tmp_path / "codec")
    data = tmp_path / "data"
    for name in ("wav", "spk1"):
        table = {key: str(data / f"{name}_{key}.wav") for key in ("x", "y")}
        write_scp(data / f"{name}.scp", table)
        for path in table.values():
            soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=4000), 16000)
    return str(tmp_path / "codec"), str(data), tmp_path / "emb"


def test_extracts_shows_progress_and_skips_what_is_done(small_set, capsys):
    codec, data, out = small_set
    arguments = ["--codec", codec, "--nj", "1", "--compression", "none", data, str(out)]
    assert main(arguments) == 0
    text = capsys.readouterr().err
    assert "of disk" in text and "real-time factor" in text and f"2 utterances are in {out}" in text
    assert read_scp(out / "utt2num_frames") == {"x": "13", "y": "13"}
    assert main(arguments) == 0
    assert "2 of 2 parts skipped (already done)" in capsys.readouterr().err


def test_a_tmpfs_that_is_too_small_is_refused(small_set, tmp_path):
    codec, data, _ = small_set
    mount = tmp_path / "mount"
    mount.mkdir()
    done = (
        os.geteuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(mount)], capture_output=True, check=False
        ).returncode
        == 0
    )
    if not done:
        pytest.skip("mounting a file system is not allowed here")
    try:
        with pytest.raises(UserError, match=r"needs 7.* kB but only .* kB are free"):
            main(["--codec", codec, "--nj", "1", "--compression", "none", data, str(mount / "emb")])
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_help_starts_without_torch():
    code = "import sys; from espnet_codecse.bin.extract import get_parser; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    text = get_parser().format_help()
    assert "--max_batch_seconds" in text and "continuous)" in " ".join(text.split())
