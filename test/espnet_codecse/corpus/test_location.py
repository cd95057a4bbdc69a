"""Finding a corpus: the message names the variable, the path and what is missing."""

import pytest

from espnet_codecse.corpus.location import check_count, corpus_root
from espnet_codecse.errors import UserError


def test_from_the_environment_or_given(tmp_path, monkeypatch):
    (tmp_path / "with space" / "b").mkdir(parents=True)
    monkeypatch.setenv("MY_CORPUS", str(tmp_path / "with space"))
    assert corpus_root("MY_CORPUS", ["a|b"]) == tmp_path / "with space"
    assert corpus_root("MY_CORPUS", [], tmp_path) == tmp_path


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("MY_CORPUS", raising=False)
    with pytest.raises(UserError, match="MY_CORPUS: not set; write the corpus's folder into db.sh"):
        corpus_root("MY_CORPUS", [])
    monkeypatch.setenv("MY_CORPUS", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="MY_CORPUS: .*nowhere: no such folder"):
        corpus_root("MY_CORPUS", [])
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="MY_CORPUS: .*: has no b or c; "):
        corpus_root("MY_CORPUS", ["a", "b|c", "d"], tmp_path)


def test_another_count_than_published():
    check_count("here", 3, 3, "clips", "copy it again")
    check_count("here", 2, 3, "clips", "copy it again", incomplete=True)
    with pytest.raises(UserError, match="^here: 2 clips, 3 were published; copy it again, or pass --incomplete$"):
        check_count("here", 2, 3, "clips", "copy it again")
