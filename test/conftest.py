"""Fixtures of all tests: audio is generated, never read from a corpus."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import settings
from voices import RATE, voice

from espnet_codecse.corpus.data_dir import write_data_dir

# A time limit for each example would fail on a busy machine without telling anything about the code.
settings.register_profile("codecse", deadline=None)
settings.load_profile("codecse")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the mutation test; see test/robustness."""
    parser.addoption("--mutations", type=int, default=300, help="cases of the mutation test (default: %(default)s)")
    parser.addoption("--first_mutation", type=int, default=0, help="number of the first case of each kind of file")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Undo what a training did: with all cores for torch the tests after it are slower, and so are those beside it."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def make_data_dir(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a consistent data directory of ``num_utterances`` one-second mixtures."""

    def make(name: str = "data", num_utterances: int = 3) -> Path:
        path = tmp_path / name
        tables: dict[str, dict[str, str]] = {"wav.scp": {}, "spk1.scp": {}, "utt2spk": {}}
        for number in range(num_utterances):
            utterance = f"spk{number % 2}_utt{number}"
            for table, seed in (("wav.scp", 10 + number), ("spk1.scp", number)):
                audio = tmp_path / f"{name}_audio" / table / f"{utterance}.wav"
                audio.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(audio, voice(RATE, seed), RATE)
                tables[table][utterance] = str(audio)
            tables["utt2spk"][utterance] = f"spk{number % 2}"
        write_data_dir(path, tables)
        return path

    return make


@pytest.fixture(name="voice")
def voice_function() -> Callable[..., np.ndarray]:
    """The function ``voice(num_samples, seed, rate)``."""
    return voice


@pytest.fixture(scope="session", name="tree")
def prepared_tree(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders in which a recipe was run to the report page, once for all tests; see :func:`recipe_runs.shared_tree`."""
    from recipe_runs import shared_tree

    return shared_tree(tmp_path_factory)
