"""A server of the demo with a tiny model."""

import threading

import pytest
from tiny_models import save_causal_experiment

from espnet_codecse.demo.server import DemoServer
from espnet_codecse.zoo.load import load_enhancer


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return load_enhancer(str(save_causal_experiment(tmp_path_factory.mktemp("demo") / "model")), device="cpu")


@pytest.fixture
def server(model, tmp_path):
    (tmp_path / "work").mkdir()
    with DemoServer(0, tmp_path / "work", ["tiny", "other"], lambda name: model, 3_000_000) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()
