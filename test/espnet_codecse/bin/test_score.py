"""``codecse score`` as a user calls it."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet_codecse.bin.score import main


def test_scores_two_folders(tmp_path, capsys):
    for kind, seed in (("clean", 0), ("enhanced", 0)):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "x.wav", 0.1 * np.random.default_rng(seed).normal(size=8000), 16000)
    out = tmp_path / "scoring"
    assert (
        main(
            [
                "--ref_scp",
                str(tmp_path / "clean"),
                "--inf_scp",
                str(tmp_path / "enhanced"),
                "--output_dir",
                str(out),
                "--metrics",
                "SI_SDR",
                "--nj",
                "1",
            ]
        )
        == 0
    )
    assert "SI_SDR        100.000  mean of 1" in capsys.readouterr().out
    assert (out / "result_si_sdr.txt").read_text() == "100\n"


def test_help_lists_the_metrics_and_loads_no_torch(tmp_path):
    code = (
        "import sys; from espnet_codecse.bin.score import get_parser; print(get_parser().format_help());"
        "sys.exit('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "DNSMOS_OVRL" in result.stdout and "16000 Hz, no reference" in result.stdout


def test_a_missing_option_is_told():
    with pytest.raises(SystemExit) as error:
        main(["--ref_scp", "x"])
    assert error.value.code == 2
