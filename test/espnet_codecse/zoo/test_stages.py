"""Stages 10 and 11 of ``enh.sh`` on an experiment that is there: pack, skip, publish."""

import shutil

import pytest
import yaml
from hub_server import TOKEN, Hub
from recipe_runs import ROOT, run
from zoo_packs import read_members

from espnet_codecse.report.experiments import EXPERIMENT, NOISY, UNPROCESSED, ScoredOutput, write_description

SCRIPT = ROOT / "egs2/mini/enh1/run.sh"


@pytest.fixture
def recipe(experiment, codec_folder, tmp_path):
    """Return a function that runs the recipe on a copy of the experiment."""
    shutil.copytree(experiment.parent, tmp_path / "exp", symlinks=True)
    noisy = tmp_path / "exp/noisy_test/scoring"
    noisy.mkdir(parents=True)
    (noisy / "PESQ_spk1").write_text("utt1 1.1\nutt2 1.3\n")
    write_description(ScoredOutput(NOISY, UNPROCESSED, "test", folder=noisy))
    scoring = tmp_path / "exp/nac_se_tiny/continuous_test/scoring"
    write_description(ScoredOutput(EXPERIMENT, "nac_se_tiny", "test", "continuous", folder=scoring))
    (tmp_path / "exp/RESULTS.md").write_text("# RESULTS\n")

    def start(*options):
        folders = [f"--{name}dir={tmp_path / name}".replace("=", " ").split(" ", 1) for name in ("data", "dump", "exp")]
        result = run(
            SCRIPT, *[word for pair in folders for word in pair], "--codec", codec_folder, "--system", "nac_se",
            "--tag", "nac_se_tiny", "--nj", "1", "--metrics", "SI_SDR", *options,
        )  # fmt: skip
        return result.returncode, result.stdout

    return start


def test_help_names_the_stages():
    text = run(SCRIPT, "--help").stdout
    assert " 10  pack " in text and " 11  publish " in text and "--hf_repo" in text and "--skip_packing" in text


@pytest.mark.slow
def test_pack_skip_and_publish(recipe, tmp_path, monkeypatch):
    pack = tmp_path / "exp/nac_se_tiny/nac_se_tiny.zip"
    status, text = recipe("--stage", "10", "--license", "mit", "--datasets", "one two")
    assert status == 0, text
    assert "Stage 10: packing ->" in text and "publishing skipped (no --hf_repo)" in text
    members = read_members(pack)
    manifest = yaml.safe_load(members["codecse.yaml"])
    assert manifest["figures"]["noisy"] == {"PESQ": 1.2} and manifest["figures"]["enhanced"]["PESQ"] == 2.0
    assert manifest["name"] == "nac_se_tiny" and manifest["license"] == "mit" and manifest["datasets"] == ["one", "two"]
    assert members["RESULTS.md"] == b"# RESULTS\n"
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    before = pack.stat().st_mtime_ns
    status, text = recipe("--stage", "10", "--hf_repo", "me/tiny", "--publish_args", "--private")
    hub.close()
    assert status == 0, text
    assert "skipped" in text and "of this model and its scores)" in text and pack.stat().st_mtime_ns == before
    assert "codecse.yaml" in hub.repos["me/tiny"]


@pytest.mark.slow
def test_a_whole_run_does_not_pack_unasked(recipe, tmp_path):
    # Only the gates: no stage before the eighth has anything to do here.
    status, text = recipe("--stage", "8")
    assert status == 0, text
    assert "Stage 10: packing skipped" in text and "Stage 11" in text
    assert not (tmp_path / "exp/nac_se_tiny/nac_se_tiny.zip").exists()
