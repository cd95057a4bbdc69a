"""codecse data_dir: validate and fix from the command line."""

import pytest

from espnet_codecse.bin.data_dir import main
from espnet_codecse.errors import UserError


def test_validate_then_fix(make_data_dir, capsys):
    path = make_data_dir()
    assert main(["validate", "--num_references", "1", str(path)]) == 0
    assert "3 utterances, consistent" in capsys.readouterr().out
    (path / "spk1.scp").write_text("".join((path / "spk1.scp").read_text().splitlines(True)[:2]))
    with pytest.raises(UserError, match="spk1.scp: no line for"):
        main(["validate", str(path)])
    assert main(["fix", str(path)]) == 0
    assert "utt2spk: 1, wav.scp: 1" in capsys.readouterr().out
    assert main(["validate", str(path)]) == 0


def test_files_are_optional(make_data_dir):
    path = make_data_dir()
    text = (path / "wav.scp").read_text()
    (path / "wav.scp").write_text(text.replace("utt0.wav", "other place.wav"))
    with pytest.raises(UserError, match="no such audio file"):
        main(["validate", str(path)])
    assert main(["validate", "--no_files", str(path)]) == 0
