"""Recipes that are killed and go on, and what enh.sh says to bad input."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipe_results import check_results, embeddings_of, read_results, same_embeddings
from recipe_runs import ROWS, Tree, run, run_and_kill
from tiny_codecs import save_mdct
from voices import RATE, voice

from espnet_codecse.fileio import read_scp

ROW = next(row for row in ROWS if row.experiment == "stored_waveform")
SCRIPT = ROW.script
TEMPLATE = SCRIPT.parents[2] / "TEMPLATE"
pytestmark = pytest.mark.slow


@pytest.fixture(name="own")
def own_tree(tree, tmp_path) -> Tree:
    """A tree of the test's own that shares the checked data; embeddings and experiments are still to be made."""
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "raw").symlink_to(tree.dump / "raw")
    return tree._replace(dump=dump, exp=tmp_path / "exp")


def failure_line(result: subprocess.CompletedProcess) -> str:
    """The one line that tells why a recipe stopped."""
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout, result.stdout
    lines = [line for line in result.stdout.splitlines() if "Error: step" not in line]
    return lines[-1]


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of processes that were killed."""
    temporary = re.compile(r"\..*\.[a-z0-9_]{8}(\.[^.]+)?")  # as fileio.atomic_path names them
    return [path for path in folder.rglob(".*") if path.is_file() and temporary.fullmatch(path.name)]


def test_killed_extraction_goes_on(tree, own):
    command = ["--stage", 3, "--stop_stage", 3, *own.options(ROW)]
    parts = embeddings_of(own, "train") / "parts"
    run_and_kill(SCRIPT, *command, when=lambda: (parts / "emb_mix.1.done").exists())
    assert not (embeddings_of(own, "valid") / "emb_mix.scp").exists()
    kept = (parts / "emb_mix.1.ark").stat().st_mtime_ns
    result = run(SCRIPT, *command)
    assert result.returncode == 0, result.stdout
    assert re.search(r"[12] of 2 parts skipped \(already done\)", result.stdout)
    assert (parts / "emb_mix.1.ark").stat().st_mtime_ns == kept
    assert not leftovers(own.dump / "codec")
    for name in ("train", "valid"):
        same_embeddings(embeddings_of(own, name), embeddings_of(tree, name))


def test_killed_training_and_enhancement_go_on(tree, tmp_path):
    from espnet_codecse.checkpoint import load_checkpoint

    own = tree._replace(exp=tmp_path / "exp")
    flags = own.options(ROW)
    position = flags.index("--enhance_args") + 1
    flags[position] = flags[position].replace(
        "--max_epoch 1 --num_iters_per_epoch 2", "--max_epoch 3 --num_iters_per_epoch 4"
    )
    command = ["--stage", 4, "--stop_stage", 7, *flags]
    step = own.exp / ROW.experiment / "1_enhance"
    enhanced = own.exp / ROW.experiment / "quantized_test" / "wavs" / "1"

    def in_second_epoch() -> bool:
        log = step / "train.log"
        return (step / "checkpoint.pth").exists() and "2/3epoch started" in log.read_text()

    run_and_kill(SCRIPT, *command, when=in_second_epoch)
    run_and_kill(SCRIPT, *command, when=lambda: any(enhanced.glob("*.flac")))
    log = (step / "train.log").read_text()
    assert [log.count(f"{epoch}/3epoch started") for epoch in (1, 2, 3)] == [1, 2, 1]
    assert list(load_checkpoint(step / "checkpoint.pth")["reporter"]["stats"]) == [1, 2, 3]
    result = run(SCRIPT, *command)
    assert result.returncode == 0, result.stdout
    assert "already reached" in result.stdout and "utterances skipped (already done)" in result.stdout
    utterances = set(read_scp(own.dump / "raw/test/wav.scp"))
    for scp in (*own.exp.glob("codec_*/*_test/spk1.scp"), *own.exp.glob(f"{ROW.experiment}/*_test/spk1.scp")):
        assert set(read_scp(scp)) == utterances
        assert {path.stem for path in (scp.parent / "wavs" / "1").iterdir()} == utterances
        assert set(read_scp(scp.parent / "scoring" / "STOI_spk1")) == utterances
    assert not leftovers(own.exp)
    check_results(own, ROW, ["SI_SDR", "STOI"])
    ceiling, expected = (
        read_results(folder / "RESULTS.md")[f"codec_{own.codec.name}"] for folder in (own.exp, tree.exp)
    )
    for row, cells in ceiling.items():
        assert cells[0] == expected[row][0]


def known(kind: str) -> str:
    """The choices of --loss, --size or --variant that nac_se has: the recipe's and the template's."""
    folders = (SCRIPT.parent / "conf/nac_se" / kind, TEMPLATE / "enh1/conf/nac_se" / kind)
    return ", ".join(sorted({path.stem for folder in folders for path in folder.glob("*.yaml")}))


@pytest.mark.parametrize(
    "options, message",
    [
        (["--system", "nosuch"], "--system nosuch: unknown; known systems: .*nac_se"),
        (["--loss", "nosuch"], f"--loss nosuch: unknown for nac_se; known: {known('loss')}$"),
        (["--size", "nosuch"], f"--size nosuch: unknown for nac_se; known: {known('size')}$"),
        (["--variant", "packed,nosuch"], f"--variant nosuch: unknown for nac_se; known: {known('variant')}$"),
        (["--nosuch", "1"], "--nosuch: unknown option; --help lists the options"),
        (["--loss=pre"], "--loss=pre: write the value after a space: --loss pre"),
        (["--max_duration"], "--max_duration: the value is missing"),
        (["--train_set", ""], "--train_set is required"),
        (["--embedding_source", "disk"], "--embedding_source disk: must be stored or on_the_fly"),
        (["surplus"], "unexpected argument 'surplus'"),
        (
            ["--codec", "/no/such/folder", "--stage", "3"],
            "--codec /no/such/folder: no such folder, zip or codec; known",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_option_is_one_line(own, options, message):
    result = run(SCRIPT, *own.options(ROW), *options)
    assert re.search(message, failure_line(result)), result.stdout
    assert len(result.stdout.splitlines()) <= 4, result.stdout
    assert not own.exp.exists()


def test_wrong_training_option_is_shown(own, tree):
    options = own._replace(dump=tree.dump).options(ROW)
    result = run(SCRIPT, *options, "--enhance_args", "--no_such_option 1", "--stage", 4, "--stop_stage", 5)
    assert "no_such_option" in failure_line(result), result.stdout


def test_help_lists_stages_and_options():
    result = run(SCRIPT, "--help")
    assert result.returncode == 0
    for text in ("1  data", "7  score", "--codec", "--embedding_source", "--<step>_args"):
        assert text in result.stdout
    assert 0 < result.stdout.index("--clean_dir DIR ") < result.stdout.index("Options (defaults):")


def test_embeddings_of_another_codec_and_a_cut_ark_are_refused(own, tmp_path):
    command = own.options(ROW)
    assert run(SCRIPT, *command, "--stage", 3, "--stop_stage", 4).returncode == 0
    # A codec of the same name and other weights would use the same folder.
    other = tmp_path / "other" / own.codec.name
    save_mdct(other, seed=1)
    before = (embeddings_of(own, "train") / "codec.yaml").read_text()
    for stage in (3, 5):
        result = run(SCRIPT, *command, "--codec", other, "--stage", stage, "--stop_stage", stage)
        assert len(set(re.findall(r"\b[0-9a-f]{12,}\b", failure_line(result)))) >= 2, result.stdout
    assert (embeddings_of(own, "train") / "codec.yaml").read_text() == before

    ark = embeddings_of(own, "train") / "parts" / "emb_mix.1.ark"
    whole = ark.read_bytes()
    ark.write_bytes(whole[:-100])
    result = run(SCRIPT, *command, "--stage", 5, "--stop_stage", 5)
    assert str(ark) in failure_line(result), result.stdout
    result = run(SCRIPT, *command, "--stage", 3, "--stop_stage", 3)
    assert result.returncode == 0 and "1 of 2 parts skipped (already done)" in result.stdout
    assert len(ark.read_bytes()) == len(whole)


def test_full_disk_stops_extraction_with_one_line(tree, own):
    disk = own.dump / "codec"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root only")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        command = [*own.options(ROW), "--stage", 3, "--stop_stage", 3]
        assert re.search("needs .*B but only .*B are free; free some space", failure_line(run(SCRIPT, *command)))
        # Another program takes the space after the check.
        subprocess.run(["mount", "-o", "remount,size=256k", disk], check=True)
        room = shutil.disk_usage(disk).free - 150_000
        (disk / "other").write_bytes(bytes(max(room, 0)))
        result = run(SCRIPT, *command)
        if result.returncode != 0:
            assert re.search("No space left|are free", failure_line(result)), result.stdout
        (disk / "other").unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        result = run(SCRIPT, *command)
        assert result.returncode == 0, result.stdout
        for name in ("train", "valid"):
            same_embeddings(embeddings_of(own, name), embeddings_of(tree, name))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_bad_utterances_are_rejected_and_good_ones_go_through(tree, own, tmp_path):
    audio = tmp_path / "audio with spaces"
    audio.mkdir()
    data = tmp_path / "data"
    data.mkdir()
    (data / "test").symlink_to(tree.data / "test")
    (own.dump / "raw").unlink()  # the checked data are to be made here
    good, lines = [], {"wav.scp": [], "spk1.scp": [], "utt2spk": []}

    def add(name: str, mixture: np.ndarray, reference: np.ndarray, rate: int = RATE, **options) -> Path:
        paths = [audio / f"{name}_{kind}.{options.get('format', 'WAV').lower()}" for kind in ("mix", "ref")]
        for path, samples in zip(paths, (mixture, reference)):
            soundfile.write(path, samples, rate, **options)
        for table, value in (("wav.scp", paths[0]), ("spk1.scp", paths[1]), ("utt2spk", "a")):
            lines[table].append(f"{name} {value}\n")
        return paths[0]

    speech = voice(RATE, 5)
    for name, options in {"flac": {"format": "FLAC"}, "float": {"subtype": "FLOAT"}, "ogg": {"format": "OGG"}}.items():
        add(f"good_{name}", speech, speech, **options)
    stereo = np.stack([voice(48000, 6)] * 2, axis=1)
    add("good_stereo48k24", stereo, stereo, 48000, subtype="PCM_24")
    add("bad_nan", np.where(np.arange(RATE) == 9, np.nan, speech), speech, subtype="FLOAT")
    add("bad_zero", np.zeros(RATE), speech)
    add("bad_one_sample", speech[:1], speech[:1])
    add("bad_length", speech, speech[:-1])
    add("bad_unreadable", speech, speech).write_bytes(b"RIFF, but not really")
    add("bad_missing", speech, speech).unlink()
    (data / "bad").mkdir()
    for table, content in lines.items():
        (data / "bad" / table).write_text("".join(sorted(content)))
    good = sorted(line.split()[0] for line in lines["utt2spk"] if line.startswith("good"))

    sets = ["--train_set", "bad", "--valid_set", "bad", "--stage", 2, "--stop_stage", 3]
    result = run(SCRIPT, *own._replace(data=data).options(ROW), *sets)
    assert result.returncode == 0, result.stdout
    assert "6 rejected" in result.stdout
    raw = own.dump / "raw" / "bad"
    rejected = [line.split("\t") for line in (raw / "rejected.tsv").read_text().splitlines()[1:]]
    assert [row[0] for row in rejected] == sorted(
        line.split()[0] for line in lines["utt2spk"] if line.startswith("bad")
    )
    assert all(len(row) == 3 and row[2] for row in rejected)
    for table in ("wav.scp", "spk1.scp"):
        assert list(read_scp(raw / table)) == good
    assert list(read_scp(embeddings_of(own, "bad") / "emb_ref1.scp")) == good
    frames = read_scp(embeddings_of(own, "bad") / "utt2num_frames")
    assert set(frames.values()) == {"50"}


def test_folders_with_spaces_and_options_of_the_data_script(tree, tmp_path):
    folder = tmp_path / "my (own) recordings"
    folder.symlink_to(tree.recordings)
    options = tree._replace(recordings=tmp_path, data=tmp_path / "data").options(ROW)
    options[options.index("--clean_dir") + 1] = str(folder)
    result = run(SCRIPT, *options, "--local_data_opts", "--num_train 3 --snr_range '-5 0'", "--stop_stage", 1)
    assert result.returncode == 0, result.stdout
    snr = [float(value) for value in read_scp(tmp_path / "data/train/utt2snr").values()]
    assert len(snr) == 3 and all(-5 <= value <= 0 for value in snr)
    result = run(SCRIPT, "--clean_dir")
    assert result.returncode != 0 and "value of --clean_dir is missing" in result.stdout
