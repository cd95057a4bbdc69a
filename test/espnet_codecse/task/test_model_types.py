"""Kinds of systems: which parts a configuration stands for."""

import pytest

from espnet_codecse.errors import UserError
from espnet_codecse.inference.abs_enhancer import AbsEnhancer
from espnet_codecse.task.configuration import output_names
from espnet_codecse.task.model_types import MODEL_TYPES, codec_of, model_type_name, model_type_of


@pytest.mark.parametrize("name", sorted(MODEL_TYPES))
def test_all_parts_are_there(name):
    kind = MODEL_TYPES[name]
    assert callable(kind.load("data")) and callable(kind.load("task").build_model)
    assert issubclass(kind.load("enhancer"), AbsEnhancer)
    assert "spk1" in output_names({"task": name, "separator_conf": {"num_spk": 2}}) and kind.layers


def test_no_task_is_embedding():
    assert (
        model_type_of({"encoder": "codec"}) is MODEL_TYPES["embedding"] and model_type_name({"task": "fuse"}) == "fuse"
    )


@pytest.mark.parametrize("name", ["nosuch", ["fuse"], 3])
def test_unknown(name):
    with pytest.raises(UserError, match="is unknown; known: embedding, dual_branch"):
        model_type_name({"task": name})


def test_codec():
    assert codec_of({"encoder_conf": {"codec": "small"}}) == "small"
    assert codec_of({"task": "dual_branch", "codec": "small", "encoder_conf": {}}) == "small"
    assert codec_of({"task": "dual_branch", "codec": "small", "coder_conf": {"kind": "mdct"}}) is None
    assert codec_of({"task": "fuse"}) is None and codec_of({"encoder_conf": None}) is None
