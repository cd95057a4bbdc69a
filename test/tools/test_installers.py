"""tools/installers: files of other projects, fetched from where a variable says and compared with what is known."""

import os
import subprocess
from pathlib import Path

import pytest

from espnet_codecse.codec.lyra.codec import FILES

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "installers" / "lyra.sh"


def install(url, *arguments, **variables):
    environment = {**os.environ, "CODECSE_LYRA_URL": str(url), "CODECSE_LYRA": "", **variables}
    return subprocess.run(["bash", SCRIPT, *arguments], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
def test_other_content_is_refused_and_not_left_behind(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in FILES:
        (source / name).write_text("something else")
    result = install(source.as_uri(), tmp_path / "out")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "its SHA-256 is not the expected one" in result.stderr
    assert not list((tmp_path / "out").iterdir())
    result = install(source.as_uri(), source)  # what is there already is checked too, and left alone
    assert result.returncode == 1 and f"{source / FILES[0]}: unexpected content" in result.stderr


def test_help(tmp_path):
    result = install("file:///", "--help", HOME=str(tmp_path))
    assert result.returncode == 2 and result.stdout.startswith("Downloads the codec Lyra V2")


@pytest.mark.slow
def test_nothing_there(tmp_path):
    result = install((tmp_path / "none").as_uri(), tmp_path / "out")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "cannot be reached" in result.stderr and "by hand to" in result.stderr


@pytest.mark.slow
def test_published_files_arrive_in_the_cache(tmp_path):
    from lyra_reference import published_folder

    source = published_folder()
    if not all((source / name).is_file() for name in FILES):
        pytest.skip(f"no files of Lyra V2 in {source}: run tools/installers/lyra.sh and set CODECSE_LYRA to its folder")
    for _ in range(2):  # a second call does nothing
        result = install(source.as_uri(), CODECSE_CACHE=str(tmp_path))
        assert result.returncode == 0 and "use it with --codec lyra_v2" in result.stdout, result.stderr
    assert sorted(file.name for file in (tmp_path / "lyra_v2").iterdir()) == sorted(FILES)
