"""Metrics whose networks a user brings are found, run and reported as missing; small random networks of that format."""

import json
import subprocess
import sys

import numpy as np
import pytest
from metric_signals import RATE, noisy, score, speech_like
from voices import spoken

from espnet_codecse.metrics.abs_metric import Signals
from espnet_codecse.metrics.recognition import words_of
from espnet_codecse.metrics.registry import family_of

HUBCONF = """
dependencies = ["torch"]
import torch

class Net(torch.nn.Module):
    def forward(self, wave, sr):
        assert wave.dim() == 2 and sr == 16000
        return 1 + 4 * wave.abs().mean(-1)

def utmos22_strong(progress=True):
    return Net()
"""


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("TORCH_HOME", "XDG_CACHE_HOME", "CODECSE_UTMOS", "CODECSE_SPEAKER_MODEL", "CODECSE_ASR_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name, advice", [("UTMOS", "torch.hub.load"), ("NISQA_MOS", "nisqa.tar")])
def test_without_its_network_a_metric_tells_how_to_get_it(name, advice):
    assert advice in family_of(name).missing()


@pytest.mark.parametrize("name, variable", [("SPK_SIM", "CODECSE_SPEAKER_MODEL"), ("DWER", "CODECSE_ASR_MODEL")])
def test_without_its_package_or_folder_a_metric_tells_what_it_wants(name, variable, monkeypatch, tmp_path):
    family = family_of(name)
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    assert family.missing() == f"pip install {family.columns[0].package}"
    monkeypatch.setenv(variable, str(tmp_path))
    assert family.missing() == f"{variable}={tmp_path} is not a folder with a config.json"


@pytest.mark.slow
def test_word_error_rate_agrees_with_pocketsphinx():
    pocketsphinx = pytest.importorskip("pocketsphinx")
    clean = spoken()
    estimate = noisy(clean, 0)

    def words(speech):
        decoder = pocketsphinx.Decoder(loglevel="FATAL")
        decoder.start_utt()
        decoder.process_raw((np.rint(speech * 32768).clip(-32768, 32767)).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        return decoder.hyp().hypstr.split()

    wanted, found = words(clean), words(estimate)
    assert len(wanted) > 5 and wanted != found
    import editdistance

    family = family_of("DWER")()
    family.load()
    expected = 100 * editdistance.eval(wanted, found) / len(wanted)
    # Twice: the recogniser adapts to what it hears, but a score must not depend on the utterances before.
    for _ in range(2):
        assert family.compute(Signals(estimate, RATE, clean))["DWER"] == pytest.approx(expected)
    assert family.compute(Signals(clean, RATE, clean))["DWER"] == 0
    assert np.isnan(family.compute(Signals(clean, RATE, np.zeros_like(clean)))["DWER"])


def test_speaker_similarity_agrees_with_resemblyzer():
    resemblyzer = pytest.importorskip("resemblyzer")
    first, second = speech_like(3.0), noisy(speech_like(3.0), 10)
    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    expected = encoder.embed_utterance(resemblyzer.preprocess_wav(first.astype(np.float64)))
    expected = float(expected @ encoder.embed_utterance(resemblyzer.preprocess_wav(second.astype(np.float64))))
    assert family_of("SPK_SIM").missing() == ""
    assert score("SPK_SIM", first, second) == pytest.approx(expected, abs=1e-4)
    assert score("SPK_SIM", first, first) == pytest.approx(1, abs=1e-5)
    # Its voice detector finds nothing.
    assert np.isnan(score("SPK_SIM", 1e-4 * np.ones(RATE, np.float32), first[:RATE]))


def test_utmos_from_torch_hubs_cache_and_from_a_clone(tmp_path, monkeypatch):
    speech = speech_like(1.0)
    cached = tmp_path / "home/.cache/torch/hub/tarepan_SpeechMOS_v1.2.0"
    cached.mkdir(parents=True)
    (cached / "hubconf.py").write_text(HUBCONF)
    assert family_of("UTMOS").missing() == ""
    assert score("UTMOS", None, speech) == pytest.approx(1 + 4 * np.abs(speech).mean(), rel=1e-5)
    monkeypatch.setenv("CODECSE_UTMOS", str(tmp_path / "nowhere"))
    assert "CODECSE_UTMOS" in family_of("UTMOS").missing()


def test_speaker_similarity_by_a_small_network(tmp_path, monkeypatch):
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    config = WavLMConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(20, 16),
        conv_kernel=(20, 16),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        tdnn_dim=(8, 8),
        tdnn_kernel=(3, 1),
        tdnn_dilation=(1, 1),
        xvector_output_dim=8,
    )
    WavLMForXVector(config).save_pretrained(tmp_path / "model")
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "model")
    monkeypatch.setenv("CODECSE_SPEAKER_MODEL", str(tmp_path / "model"))
    assert family_of("SPK_SIM").missing() == ""
    speech = speech_like(1.0)
    assert score("SPK_SIM", speech, speech) == pytest.approx(1, abs=1e-5)
    assert score("SPK_SIM", speech, noisy(speech, -5)) < 0.9999
    assert np.isnan(score("SPK_SIM", speech[:100], speech[:100]))


def test_word_error_rate_by_a_small_recogniser(tmp_path, monkeypatch):
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    torch.manual_seed(0)
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    config = Wav2Vec2Config(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_stride=(20, 16),
        conv_kernel=(20, 16),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    network = Wav2Vec2ForCTC(config)
    torch.nn.init.normal_(network.lm_head.weight, std=3.0)
    network.save_pretrained(tmp_path / "model")
    tokenizer = Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(tmp_path / "model")
    monkeypatch.setenv("CODECSE_ASR_MODEL", str(tmp_path / "model"))
    assert family_of("DWER").missing() == ""
    speech = speech_like(2.0)
    assert score("DWER", speech, speech) == 0
    assert score("DWER", speech, noisy(speech, -10)) > 0


def test_words_are_compared_without_case_and_punctuation():
    assert words_of("It's FINE, isn't it?") == ["it's", "fine", "isn't", "it"]


@pytest.mark.slow
def test_nisqa_with_small_weights_in_the_published_format(tmp_path):
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("torchmetrics.functional.audio.nisqa")
    arguments = {
        "cnn_c_out_1": 2,
        "cnn_c_out_2": 2,
        "cnn_c_out_3": 2,
        "cnn_kernel_size": [3, 3],
        "cnn_dropout": 0.0,
        "cnn_pool_1": [24, 7],
        "cnn_pool_2": [12, 5],
        "cnn_pool_3": [6, 3],
        "ms_fmax": 20000,
        "ms_hop_length": 0.01,
        "ms_max_segments": 1300,
        "ms_n_fft": 4096,
        "ms_n_mels": 48,
        "ms_seg_hop_length": 4,
        "ms_seg_length": 15,
        "ms_win_length": 0.02,
        "pool_att_dropout": 0.0,
        "pool_att_h": 4,
        "td_sa_d_model": 4,
        "td_sa_dropout": 0.0,
        "td_sa_h": 4,
        "td_sa_nhead": 1,
        "td_sa_num_layers": 1,
    }
    network = module._NISQADIM(arguments)
    weights = tmp_path / "home/.torchmetrics/NISQA/nisqa.tar"
    weights.parent.mkdir(parents=True)
    torch.save({"args": arguments, "model_state_dict": network.state_dict()}, weights)
    module._load_nisqa_model.cache_clear()
    try:
        assert family_of("NISQA_MOS").missing() == ""
        speech = speech_like(1.0)
        expected = module.non_intrusive_speech_quality_assessment(torch.from_numpy(speech), RATE)
        assert score("NISQA_MOS", None, speech) == pytest.approx(float(expected[0]), rel=1e-5)
    finally:
        module._load_nisqa_model.cache_clear()


def test_visqol_falls_with_noise():
    pytest.importorskip("visqol")
    speech = speech_like(2.0)
    values = [score("VISQOL", speech, estimate) for estimate in (speech, noisy(speech, 15), noisy(speech, 0))]
    assert values[0] > 4.9 and values == sorted(values, reverse=True)
    assert np.isnan(score("VISQOL", speech[:500], speech[:500]))


def test_a_metrics_module_loads_no_network_library():
    code = (
        "import sys; from espnet_codecse.metrics.registry import known_metrics; known_metrics();"
        "sys.exit(bool({'torch', 'transformers', 'torchmetrics', 'visqol', 'fast_bss_eval'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
