"""The folder of the page: what its data say, what a second run does, what is refused."""

import json
import subprocess
import sys

import pytest
from report_tree import make_tree, utterances

from espnet_codecse.bin import report
from espnet_codecse.errors import UserError


@pytest.fixture(name="rows")
def rows_of_a_tree(tmp_path):
    return make_tree(tmp_path)


def write(rows, folder, *options):
    assert report.main([*rows, "--output_dir", str(folder), "--title", "T <&>", *options]) == 0
    text = (folder / "data.js").read_text()
    assert text.startswith("const REPORT = ") and text.endswith(";\n")
    return json.loads(text[len("const REPORT = ") : -2])


@pytest.mark.slow
def test_systems_ceilings_and_curves(rows, tmp_path):
    data = write(rows, tmp_path / "page")
    systems = data["systems"]
    assert [system["kind"] for system in systems] == ["noisy", "noisy", "ceiling"] + ["experiment"] * 3
    names = [system["name"] for system in systems]
    assert names[2:5] == ["codec_tiny, clean, continuous", "one, continuous", "two, continuous"]
    assert [system["ceiling"] for system in systems] == [None, None, None, 2, 2, None]
    assert [system["noisy"] for system in systems] == [0, 1, 0, 0, 0, 1]
    assert data["sets"] == ["lab", "street"] and data["metric"] == "PESQ" and data["title"] == "T <&>"
    assert data["headings"] == {"By SNR of the mixture": ["0 dB", "5 dB"], "All utterances": ["All utterances"]}
    assert systems[4]["summary"]["PESQ"][0] == 2.8 and systems[4]["values"]["PESQ"][:2] == [2.5, 2.6]
    assert systems[4]["boxes"]["By SNR of the mixture"]["5 dB"]["PESQ"][::3] == [3, 2.8]  # number and median
    assert "PESQ" not in systems[5]["summary"]
    assert data["best"] == [[4, metric] for metric in ("SI_SDR", "PESQ", "DNSMOS_OVRL")]
    assert [(curve["section"], curve["step"]) for curve in data["curves"]] == [
        ("sep_one", "1_teacher"),
        ("sep_one", "2_student"),
    ]


@pytest.mark.slow
def test_clips_of_sets_with_and_without_references(rows, tmp_path):
    data = write(rows, tmp_path / "page", "--num_utterances", "3", "--utterances", "lab_u5")
    lab, street = ([clip for clip in data["clips"] if clip["set"] == name] for name in ("lab", "street"))
    assert [(clip["utterance"], clip["where"]) for clip in lab] == [
        ("lab_u5", "asked for"),
        ("lab_u6", "best by PESQ"),
        ("lab_u3", "median by PESQ"),
        ("lab_u0", "worst by PESQ"),
    ]
    assert [clip["where"] for clip in street] == [f"{where} by DNSMOS_OVRL" for where in ("best", "median", "worst")]
    labels = [(sound["label"], sound["speaker"]) for sound in lab[0]["sounds"]]
    assert labels == [("noisy", 0)] + [
        (name, speaker)
        for name in ("one, continuous", "two, continuous", "codec_tiny, clean, continuous", "clean")
        for speaker in (1, 2)
    ]
    assert [sound["label"] for sound in street[0]["sounds"]] == ["noisy", "one, continuous"]
    assert (lab[0]["speakers"], street[0]["speakers"]) == (2, 1) and lab[0]["facts"] == ["5 dB"]
    # Both systems gave the same sounds, one of them in the other order.
    peaks = [sound["peaks"] for sound in lab[0]["sounds"]]
    assert peaks[1:3] == peaks[3:5] == peaks[7:9] and peaks[1] != peaks[2]


@pytest.mark.slow
def test_a_second_run_makes_only_what_changed_and_removes_what_is_not_used(rows, tmp_path, capsys):
    page = tmp_path / "page"
    first = write(rows, page, "--num_utterances", "1")
    files = {path: path.stat().st_mtime_ns for path in page.rglob("*") if path.is_file() and path.name != "data.js"}
    (page / "clips/.part-killed/x").mkdir(parents=True)
    (page / "clips/mine").mkdir()
    capsys.readouterr()
    assert write(rows, page, "--num_utterances", "1")["clips"] == first["clips"]
    assert capsys.readouterr().err.count("1 clips: 0 made, 1 skipped (already done)") == 2
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert (page / "clips/mine").is_dir() and not (page / "clips/.part-killed").exists()
    again = write(rows, page, "--num_utterances", "1", "--seconds", "1")
    names = {path.name for path in (page / "clips").iterdir()}
    assert names == {clip["folder"] for clip in again["clips"]} | {"mine"}
    assert not names & {clip["folder"] for clip in first["clips"]} and again["clips"][0]["seconds"] == 1.0


@pytest.mark.slow
def test_everything_lies_in_the_folder_and_needs_no_network(rows, tmp_path):
    write(rows, tmp_path / "page")
    index = (tmp_path / "page/index.html").read_text()
    for asset in (path for path in (tmp_path / "page").iterdir() if path.suffix in (".js", ".css")):
        assert f'"{asset.name}"' in index
        if asset.name != "data.js":
            text = asset.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "http" not in text and "fetch(" not in text and "innerHTML" not in text
            assert len(text.splitlines()) <= 250
    assert "http" not in index


@pytest.mark.slow
def test_the_mixture_is_heard_without_a_row_of_its_own(rows, tmp_path):
    chosen = rows[6:8]
    (data,) = (write(chosen, tmp_path / "page", "--num_utterances", "1"),)
    assert [sound["label"] for sound in data["clips"][0]["sounds"]][:2] == ["noisy", "sep_one, continuous"]


@pytest.mark.slow
def test_rows_without_audio_are_only_told(rows, tmp_path, capsys):
    (tmp_path / "exp/sep_two/continuous_lab/spk1.scp").unlink()
    data = write(rows, tmp_path / "page", "--num_utterances", "1")
    told = capsys.readouterr().err
    assert "sep_two, lab/continuous: no spk1.scp or wav.scp beside its scores; the page has no audio of it" in told
    heard = {sound["system"] for clip in data["clips"] for sound in clip["sounds"]}
    assert len(data["systems"]) == 6 and heard == {0, 1, 2, 3, 5, None}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options, message",
    [
        (["--metric", "MOS"], "--metric MOS: no row has scores of it; known: SI_SDR, PESQ, DNSMOS_OVRL"),
        (["--utterances", "x"], "--utterances x: no row has a score for it"),
        (["--row", "a|b|nowhere"], "nowhere: no scores"),
    ],
)
def test_wrong_input_is_one_line(rows, tmp_path, options, message):
    with pytest.raises(UserError, match=message) as caught:
        write(rows, tmp_path / "page", *options)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_missing_audio_and_repeated_labels_are_refused(rows, tmp_path):
    with pytest.raises(UserError, match="a label occurs twice"):
        write([*rows, *rows[:2]], tmp_path / "page")
    for utterance in utterances("lab"):
        (tmp_path / f"exp/sep_one/continuous_lab/wavs/spk1/{utterance}.flac").unlink()
    with pytest.raises(UserError, match="no such audio file .one, continuous of lab_u6.; run stage 6 again"):
        write(rows, tmp_path / "page")


@pytest.mark.slow
def test_the_page_imports_neither_torch_nor_espnet(rows, tmp_path):
    code = (
        "import sys; from espnet_codecse.bin import report; assert report.main(sys.argv[1:]) == 0;"
        "sys.exit(bool({'torch', 'espnet', 'espnet2'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *rows, "--output_dir", str(tmp_path / "page"), "--num_utterances", "1"]
    assert subprocess.run(command, check=False).returncode == 0
