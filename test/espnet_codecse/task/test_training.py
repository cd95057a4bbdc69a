"""What a training is given: paths, and what is wrong with them said before it starts."""

import shutil

import pytest
import yaml
from tiny_codecs import save_mdct

from espnet_codecse.codec import load_codec
from espnet_codecse.embedding.extract import extract
from espnet_codecse.errors import UserError
from espnet_codecse.task.training import read_configuration, training_options


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return str(save_mdct(tmp_path_factory.mktemp("codec") / "tiny"))


def write_config(path, codec, **changes):
    content = {
        "encoder_conf": {"codec": codec},
        "separator_conf": {"num_spk": 1},
        "batch_size": 2,
        "criterions": [{"name": "embedding_mse"}],
        **changes,
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def stored(make_data_dir, codec, tmp_path):
    """``(config, (train, valid) data directories, {"embeddings": (train, valid) folders})``."""
    data = make_data_dir("train", 3), make_data_dir("valid", 1)
    for folder in data:
        extract(codec, folder, tmp_path / "emb" / folder.name, "continuous", "none", 1)
    embeddings = tuple(tmp_path / "emb" / folder.name for folder in data)
    return write_config(tmp_path / "train.yaml", codec), data, {"embeddings": embeddings}


def refused(*arguments) -> str:
    with pytest.raises(UserError) as caught:
        training_options(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_options_of_the_command_line_count(stored, codec, tmp_path):
    """What is checked is the training that runs, not the yaml alone."""
    config, data, folders = stored
    options = ["--separator_conf", "num_spk=2", "--batch_size", "4", "--optim", "adam", "--encoder_conf", "a.b=c"]
    configuration = read_configuration(config, options)
    assert configuration == {
        **read_configuration(config),
        "encoder_conf": {"codec": codec, "a": {"b": "c"}},
        "separator_conf": {"num_spk": 2},
        "batch_size": 4,
    }
    other = str(save_mdct(tmp_path / "other", seed=5))
    with pytest.raises(UserError, match="the embeddings come from codec"):
        training_options(config, data, folders, None, ["--encoder_conf", f"codec={other}"])
    with pytest.raises(UserError, match="emb_ref2.scp: missing"):
        training_options(config, data, folders, None, ["--separator_conf", "num_spk=2"])


def test_stored_embeddings(stored):
    _config, _data, folders = stored
    embeddings = folders["embeddings"]
    assert training_options(*stored) == [
        "--train_data_path_and_name_and_type",
        f"{embeddings[0]}/emb_mix.scp,speech_mix,kaldi_ark",
        "--train_data_path_and_name_and_type",
        f"{embeddings[0]}/emb_ref1.scp,speech_ref1,kaldi_ark",
        "--train_shape_file",
        f"{embeddings[0]}/utt2num_frames",
        "--valid_data_path_and_name_and_type",
        f"{embeddings[1]}/emb_mix.scp,speech_mix,kaldi_ark",
        "--valid_data_path_and_name_and_type",
        f"{embeddings[1]}/emb_ref1.scp,speech_ref1,kaldi_ark",
        "--valid_shape_file",
        f"{embeddings[1]}/utt2num_frames",
    ]


def test_on_the_fly(stored):
    config, data, _ = stored
    options = training_options(config, data, {})
    assert f"{data[0]}/wav.scp,speech_mix,sound" in options and f"{data[0]}/spk1.scp,speech_ref1,sound" in options
    assert f"{data[1]}/utt2num_samples" in options


def test_waveform_losses_read_waveform_references(stored, codec):
    config, data, folders = stored
    embeddings = folders["embeddings"]
    write_config(config, codec, criterions=[{"name": "embedding_mse"}, {"name": "si_snr"}])
    options = training_options(config, data, folders)
    assert f"{embeddings[0]}/emb_mix.scp,speech_mix,kaldi_ark" in options
    assert f"{data[0]}/spk1.scp,speech_ref1,sound" in options


def test_missing_files(stored, codec):
    config, data, folders = stored
    embeddings = folders["embeddings"]
    write_config(config, codec, separator_conf={"num_spk": 2})
    assert "emb_ref2.scp: missing" in refused(config, data, folders)
    assert "spk2.scp: missing" in refused(config, data, {})
    write_config(config, codec)
    (data[1] / "wav.scp").unlink()
    assert f"{data[1]}/wav.scp: missing" in refused(config, data, {})
    (embeddings[1] / "codec.yaml").unlink()
    assert "codec.yaml: no such file" in refused(config, data, folders)


def test_embeddings_of_another_codec(stored, codec, tmp_path):
    config, data, folders = stored
    other = str(save_mdct(tmp_path / "other", seed=1))
    write_config(config, other)
    message = refused(config, data, folders)
    assert load_codec(codec).fingerprint in message and load_codec(other).fingerprint in message


def test_an_ark_cut_short(stored):
    _config, _data, folders = stored
    embeddings = folders["embeddings"]
    ark = next((embeddings[0] / "parts").glob("emb_ref1*.ark"))
    with open(ark, "rb+") as stream:
        stream.truncate(ark.stat().st_size - 100)
    message = refused(*stored)
    assert f"{ark}: cut short or damaged" in message and "extract the embeddings again" in message
    shutil.rmtree(embeddings[0] / "parts")
    assert "no such ark" in refused(*stored)


def test_too_few_utterances(stored, codec):
    config, data, _folders = stored
    write_config(config, codec, batch_size=4)
    assert "3 utterances are fewer than batch_size 4" in refused(*stored)
    assert training_options(*stored, 1)
    assert "fewer than batch_size 9" in refused(*stored, 9)
    for name in ("wav.scp", "spk1.scp"):
        (data[1] / name).write_text("")
    assert "valid: holds no utterances" in refused(config, data, {}, 1)


def test_configurations_that_are_none(stored):
    config, _data, _folders = stored
    for content in ("", "a: [", "encoder: stft\n", "- 1\n", "a: " + "[" * 5000):
        config.write_text(content)
        message = refused(*stored)
        assert "train.yaml: " in message and "codecse config" in message
    config.unlink()
    assert "no such file; codecse config writes it" in refused(*stored)
