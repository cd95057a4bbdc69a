"""The figure of scores against DDIM steps."""

import subprocess
import sys

import pytest

from espnet_codecse.bin.main import main
from espnet_codecse.errors import UserError
from espnet_codecse.report.sweep import plot_step_sweep


def write_scores(folder, mean):
    folder.mkdir(parents=True)
    for metric in ("PESQ", "ESTOI"):
        lines = [f"utt{number} {mean + 0.1 * (number % 3)}\n" for number in range(9)]
        (folder / f"{metric}_spk1").write_text("".join(lines))
    return folder


def test_figure(tmp_path):
    folders = {steps: write_scores(tmp_path / str(steps), 1 + steps / 10) for steps in (1, 6, 50)}
    noisy = {"noisy": write_scores(tmp_path / "noisy", 1.0)}
    plot_step_sweep(folders, tmp_path / "sweep.svg", ("PESQ", "ESTOI"), noisy, "sweep")
    text = (tmp_path / "sweep.svg").read_text()
    assert text.count("DDIM steps") >= 2 or text.count('<g id="axes_') == 2
    with pytest.raises(UserError, match="no scores of DNSMOS_OVRL; score with it, or choose from ESTOI, PESQ"):
        plot_step_sweep(folders, tmp_path / "sweep.svg")
    with pytest.raises(UserError, match="no scoring folders"):
        plot_step_sweep({}, tmp_path / "sweep.svg")


def test_command(tmp_path, capsys):
    rows = [f"{steps}={write_scores(tmp_path / str(steps), 1 + steps / 10)}" for steps in (1, 6)]
    line = f"noisy|{write_scores(tmp_path / 'noisy', 1.0)}"
    output = tmp_path / "sweep.png"
    assert main(["sweep", *rows, "--line", line, "--metrics", "PESQ", "--output", str(output)]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")
    for arguments, message in ((["six"], "'six': give STEPS=SCORES"), ([*rows, "--line", "x"], "'x': give 'LABEL|SC")):
        with pytest.raises(SystemExit):
            main(["sweep", *arguments, "--output", str(output)])
        assert message in capsys.readouterr().err
    assert main(["sweep", f"6={tmp_path / 'none'}", "--output", str(output)]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_needs_no_torch():
    code = "import sys, espnet_codecse.report.sweep; assert not {'torch', 'espnet2', 'diffusers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
