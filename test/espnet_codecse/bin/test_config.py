"""``codecse config`` as the stages of enh.sh call it."""

import pytest
import yaml

from espnet_codecse.bin.main import main


def test_writes_the_configuration(tmp_path, capsys):
    recipe = tmp_path / "conf" / "nac_se"
    recipe.mkdir(parents=True)
    (recipe / "1_enhance.yaml").write_text("max_epoch: 3\nscheduler: warmuplr\n")
    arguments = ["config", "--system", "nac_se", "--recipe_conf", str(tmp_path / "conf")]
    assert main([*arguments, "--list_steps"]) == 0
    assert capsys.readouterr().out == "1_enhance\n"
    arguments += ["--step", "1_enhance", "--codec", "dac_16khz", "--size", "small", "--loss", "both"]
    assert main([*arguments, "--output", str(tmp_path / "exp" / "train.yaml")]) == 0
    configuration = yaml.safe_load((tmp_path / "exp" / "train.yaml").read_text())
    assert configuration["encoder_conf"] == {"codec": "dac_16khz"}
    assert configuration["separator_conf"]["width"] == 256 and len(configuration["criterions"]) == 2
    assert configuration["max_epoch"] == 3 and "scheduler_conf" not in configuration
    assert main(arguments) == 0
    assert yaml.safe_load(capsys.readouterr().out) == configuration


@pytest.mark.parametrize(
    "options, text",
    [
        (
            ["--system", "no_such", "--step", "1_enhance"],
            "known systems: codecformer, codecformer_el, conv_tasnet, dpcrn, dual_branch, fuse, nac_se, sgmse",
        ),
        (["--system", "nac_se"], "--step is missing"),
        (["--system", "nac_se", "--step", "1_enhance", "--size", "giant"], "known: paper, small"),
        (["--system", "nac_se", "--step", "1_enhance", "--loss", "gan"], "known: both, post, pre, waveform"),
        (["--system", "nac_se", "--step", "9_more"], "no step '9_more'"),
    ],
)
def test_what_it_refuses(options, text, capsys, tmp_path):
    assert main(["config", "--recipe_conf", str(tmp_path), *options, "--output", str(tmp_path / "x.yaml")]) == 1
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1
    assert not (tmp_path / "x.yaml").exists()


def test_a_mixture_has_a_speaker(capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["config", "--system", "nac_se", "--step", "1_enhance", "--num_spk", "0", "--output", str(tmp_path / "x")])
    assert stopped.value.code == 2
    assert "argument --num_spk: '0' is not a whole number of at least 1" in capsys.readouterr().err


def test_levels_of_stored_embeddings(capsys):
    for words, expected in (
        (["codecformer_el", "--step", "1_separate"], "--peak 1 --reference_peak 1\n"),
        (["codecformer", "--step", "1_separate", "--variant", "mixture_level"], "--peak 0.9\n"),
        (["nac_se", "--step", "1_enhance"], "\n"),
        (["ssl_gcrn", "--step", "1_enhance"], "\n"),
    ):
        assert main(["config", "--recipe_conf", "none", "--system", *words, "--list_level_options"]) == 0
        assert capsys.readouterr().out == expected
