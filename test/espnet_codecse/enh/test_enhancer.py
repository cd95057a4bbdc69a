"""Enhancing recordings: batches, levels, long files, speakers over segments."""

import numpy as np
import pytest
import torch

from espnet_codecse.enh.enhancer import EmbeddingEnhancer
from espnet_codecse.enh.share import by_power
from espnet_codecse.errors import UserError


class Identity(torch.nn.Module):
    """A separator whose estimates are the mixture, the second speaker's inverted; optionally swapped by turns."""

    def __init__(self, num_spk: int = 1, swaps: bool = False):
        super().__init__()
        self.num_spk, self.swaps, self.calls, self.longest = num_spk, swaps, 0, 0

    def forward(self, embedding, lengths, additional):
        self.calls += 1
        self.longest = max(self.longest, embedding.shape[1])
        estimates = [embedding, -embedding][: self.num_spk]
        return (estimates[::-1] if self.swaps and self.calls % 2 == 0 else estimates), lengths, {}


def whole(enhancer, samples):
    return enhancer.enhance_batch([samples])[0]


def segmented(enhancer, samples):
    pieces = list(enhancer.enhance_long(lambda start, count: samples[start : start + count], len(samples)))
    return {layer: np.concatenate([piece[layer] for piece in pieces], axis=1) for layer in pieces[0]}


@pytest.mark.parametrize("group_frames", [1500, 45], ids=["together", "two_by_two"])
def test_batch_equals_one_by_one(codec, make_model, voice, monkeypatch, group_frames):
    monkeypatch.setattr("espnet_codecse.enh.enhancer.GROUP_FRAMES", group_frames)
    recordings = [voice(length, seed) for seed, length in enumerate((5000, 1, 6400, 319))]
    enhancer = EmbeddingEnhancer(codec, make_model().eval().separator, ("continuous", "quantized"))
    for samples, together in zip(recordings, enhancer.enhance_batch(recordings)):
        alone = whole(enhancer, samples)
        for layer in ("continuous", "quantized"):
            assert together[layer].shape == (1, len(samples)) and together[layer].dtype == np.float32
            # A rounding may turn a code, so the quantised layer is compared by energy.
            difference = np.abs(together[layer] - alone[layer])
            assert difference.max() < 1e-4 if layer == "continuous" else np.mean(difference > 1e-4) < 0.05


@pytest.mark.parametrize("gain", [0.01, 1.0, 8.0])
def test_level_and_length_are_kept(codec, voice, gain):
    time = np.arange(9001) / 16000
    low = (0.05 * gain * np.sin(2 * np.pi * 300 * time)).astype(np.float32)  # inside the tiny codec's 32 channels
    output = whole(EmbeddingEnhancer(codec), low)["continuous"]
    assert output.shape == (1, 9001)
    interior = slice(640, -640)
    assert np.std(output[0, interior]) == pytest.approx(np.std(low[interior]), rel=0.05)


def test_without_a_separator_it_resynthesises(codec, voice):
    samples = torch.from_numpy(voice(5000))[None]
    embedding, frames = codec.encode(samples, torch.tensor([5000]))
    result = whole(EmbeddingEnhancer(codec, layers=("continuous", "quantized")), samples[0].numpy())
    expected = {"continuous": embedding, "quantized": codec.quantize(embedding)[0]}
    for layer, value in expected.items():
        assert np.allclose(result[layer], codec.decode(value, frames, 5000).numpy(), atol=1e-6)


@pytest.mark.parametrize("num_samples", [16000, 16001, 24000, 24001, 30719, 50000, 53760])
def test_segments_equal_the_whole(codec, voice, num_samples):
    separator = Identity()
    enhancer = EmbeddingEnhancer(codec, separator, segment_seconds=1.0, overlap_seconds=0.4)
    samples = voice(num_samples)
    expected = whole(EmbeddingEnhancer(codec), samples)["continuous"]
    output = segmented(enhancer, samples)["continuous"]
    assert output.shape == (1, num_samples)
    # Only next to a segment's end, where the fade gives it little weight, the encoder misses what follows.
    error = np.mean((output - expected) ** 2) / np.mean(expected**2)
    assert error < 1e-4
    assert separator.longest <= 50 + 20


def test_memory_is_bounded_by_the_segment(codec):
    counts = []

    def read(start: int, count: int) -> np.ndarray:
        counts.append((start, count))
        return np.zeros(count, dtype=np.float32)

    enhancer = EmbeddingEnhancer(codec, segment_seconds=1.0, overlap_seconds=0.25)
    sizes = [piece["continuous"].shape[1] for piece in enhancer.enhance_long(read, 16000 * 20 + 7)]
    assert sum(sizes) == 16000 * 20 + 7
    assert max(count for _, count in counts) <= 16000 + enhancer.overlap_samples
    assert all(count > enhancer.overlap_samples for _, count in counts)
    ends = [start + count for start, count in counts]
    assert [end - start for end, (start, _) in zip(ends, counts[1:])] == [enhancer.overlap_samples] * (len(counts) - 1)


def test_speakers_keep_their_order_over_segments(codec, voice):
    samples = voice(70000)
    steady = segmented(EmbeddingEnhancer(codec, Identity(2), segment_seconds=1.0, overlap_seconds=0.4), samples)
    swapping = segmented(
        EmbeddingEnhancer(codec, Identity(2, swaps=True), segment_seconds=1.0, overlap_seconds=0.4), samples
    )
    assert steady["continuous"].shape == (2, 70000)
    assert np.allclose(steady["continuous"], swapping["continuous"], atol=1e-6)


def test_segments_no_longer_than_the_overlap_are_refused(codec):
    with pytest.raises(UserError, match="segment_seconds"):
        EmbeddingEnhancer(codec, segment_seconds=0.5, overlap_seconds=1.0)


class Amplifier(Identity):
    """A separator that has lost the level."""

    def forward(self, embedding, lengths, additional):
        return [3 * embedding], lengths, {}


def test_level_is_restored_where_the_loss_was_blind_to_it(codec, voice):
    recordings = [voice(6400, 1), 0.1 * voice(5000, 2)]
    loud = EmbeddingEnhancer(codec, Amplifier()).enhance_batch(recordings)
    for samples, drifted, restored in zip(
        recordings, loud, EmbeddingEnhancer(codec, Amplifier(), restore_level=True).enhance_batch(recordings)
    ):
        output = restored["continuous"][0]
        assert not np.allclose(output, drifted["continuous"][0], rtol=0.1)
        assert abs(np.dot(samples - output, output)) < 1e-3 * np.dot(samples, samples)  # what is left is orthogonal
    silence = EmbeddingEnhancer(codec, Amplifier(), restore_level=True).enhance_batch([np.zeros(640, np.float32)])
    assert np.isfinite(silence[0]["continuous"]).all()


class Humming(Identity):
    """A separator that makes sound of nothing."""

    def forward(self, embedding, lengths, additional):
        return [embedding + 0.5], lengths, {}


def test_digital_silence_stays_silence(codec):
    enhancer = EmbeddingEnhancer(codec, Humming(), ("continuous", "quantized"))
    silent, loud = enhancer.enhance_batch([np.zeros(3000, np.float32), 0.1 * np.ones(3000, np.float32)])
    assert not any(waveforms.any() for waveforms in silent.values())
    assert all(waveforms.any() for waveforms in loud.values())


def test_long_embeddings_in_segments(codec, voice):
    embedding, frames = codec.encode(torch.from_numpy(voice(70000))[None], torch.tensor([70000]))
    enhancer = EmbeddingEnhancer(codec, Identity(2, swaps=True), segment_seconds=1.0, overlap_seconds=0.4)
    pieces = list(enhancer.separate_long(lambda start, count: embedding[0, start : start + count], int(frames)))
    assert len(pieces) > 4 and enhancer.network_seconds > 0
    joined = torch.from_numpy(np.concatenate(pieces, axis=1))
    assert torch.allclose(joined[0], embedding[0], atol=1e-5) and torch.allclose(joined[1], -embedding[0], atol=1e-5)


class Centred(Identity):
    """A separator that sees statistics of the whole embedding."""

    def forward(self, embedding, lengths, additional):
        return [embedding - embedding.mean(1, keepdim=True)], lengths, {}


def separated(enhancer, embedding, powers=None):
    def read_powers(start, count):
        return powers[start : start + count]

    read = None if powers is None else read_powers
    pieces = enhancer.separate_long(lambda start, count: embedding[start : start + count], len(embedding), read)
    return torch.from_numpy(np.concatenate(list(pieces), axis=1))[0]


def test_pauses_of_an_embedding_are_left_out(codec):
    torch.manual_seed(0)
    enhancer = EmbeddingEnhancer(codec, Centred())
    speech, frames = 1 + torch.randn(60, codec.dim), round(0.5 * codec.sample_rate / codec.hop)
    alone = separated(enhancer, speech)
    for floor in (0.0, 1e-6):
        pause = torch.full((frames, codec.dim), floor)
        powers = np.concatenate([np.full(frames, floor), np.ones(60), np.full(frames, floor)])
        found = separated(enhancer, torch.cat([pause, speech, pause]), powers)
        # The frames at the borders of the pauses are cross-faded, and change the mean a little.
        assert torch.allclose(found[frames : frames + 60], alone, atol=0.05)
        whole = separated(enhancer, torch.cat([pause, speech, pause]))
        assert not torch.allclose(whole[frames : frames + 60], alone, atol=0.2)
        expected = pause if floor == 0.0 else whole[:frames]
        assert torch.equal(found[: frames - 1], expected[: frames - 1])


def test_embeddings_without_pauses_and_silence(codec):
    enhancer = EmbeddingEnhancer(codec, Centred(), segment_seconds=1.0, overlap_seconds=0.4)
    embedding = torch.randn(500, codec.dim)
    powers = np.random.default_rng(0).uniform(0.5, 1.0, 500)
    assert torch.equal(separated(enhancer, embedding, powers), separated(enhancer, embedding))
    for num_frames in (1, 500):
        assert torch.allclose(separated(enhancer, embedding[:num_frames], np.zeros(num_frames)), embedding[:num_frames])


def test_segments_of_frames_end_in_pauses_of_all_channels(codec):
    enhancer = EmbeddingEnhancer(codec, Centred(), segment_seconds=4.0, overlap_seconds=0.4)
    second = round(codec.sample_rate / codec.hop)
    powers = np.ones((2, 10 * second))
    powers[0, 2 * second : 3 * second] = 0  # a pause of one channel
    first = next(enhancer.frame_segments(powers.shape[1], lambda start, count: powers[:, start : start + count]))
    assert first[1] == enhancer.segment_samples // codec.hop
    powers[1, 2 * second : 3 * second] = 0
    first = next(enhancer.frame_segments(powers.shape[1], lambda start, count: powers[:, start : start + count]))
    assert 2 * second < first[1] < 3 * second


class Listening(Identity):
    """A separator that keeps what it was given."""

    def forward(self, embedding, lengths, additional):
        self.heard = embedding
        return super().forward(embedding, lengths, additional)


def test_recordings_are_brought_to_the_trainings_peak_and_back(codec, voice):
    separator = Listening()
    enhancer = EmbeddingEnhancer(codec, separator, peak=0.9)
    loud = voice(6400) * (0.9 / np.abs(voice(6400)).max())
    outputs = enhancer.enhance_batch([loud, 0.02 * loud])
    assert torch.allclose(separator.heard[0], separator.heard[1], atol=1e-4)
    expected = whole(EmbeddingEnhancer(codec, Identity()), loud)["continuous"]
    assert np.allclose(outputs[0]["continuous"], expected, atol=1e-5)
    assert np.allclose(outputs[1]["continuous"], 0.02 * expected, atol=1e-5)
    silent = enhancer.enhance_batch([np.zeros(640, np.float32)])[0]["continuous"]
    assert np.array_equal(silent, np.zeros((1, 640), np.float32))


class AtOwnPeak(Identity):
    """A separator of a low and a high tone whose estimates have one peak, whatever their level in the mixture is."""

    def __init__(self, codec, tones, shift: bool):
        super().__init__(2)
        rolled = [np.roll(tone, 7 * shift) for tone in tones]  # another phase, as a codec's decoder makes it
        speech = torch.from_numpy(np.stack([tone / np.abs(tone).max() for tone in rolled]))
        self.estimates = codec.encode(speech, torch.full((2,), speech.shape[1]))[0].split(1)

    def forward(self, embedding, lengths, additional):
        return [estimate.expand_as(embedding) for estimate in self.estimates], lengths, {}


@pytest.mark.parametrize("shift", [False, True], ids=["in_phase", "out_of_phase"])
@pytest.mark.parametrize("gains", [(0.5, 0.5), (0.6, 0.1), (0.01, 0.02)])
def test_estimates_at_their_own_peak_get_their_share_of_the_mixture(codec, gains, shift):
    time = np.arange(16000) / 16000
    tones = [
        (gain * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
        for gain, frequency in zip(gains, (150, 500))  # inside the tiny codec's 32 channels
    ]
    alone = [whole(EmbeddingEnhancer(codec), tone)["continuous"][0] for tone in tones]
    enhancer = EmbeddingEnhancer(codec, AtOwnPeak(codec, tones, shift), peak=1.0, reference_peak=1.0)
    assert enhancer.restore_level and enhancer.needs_level
    outputs = enhancer.enhance_batch([sum(tones), 0.1 * sum(tones)])
    for factor, output in zip((1.0, 0.1), outputs):
        for speaker, expected in zip(output["continuous"], alone):
            assert np.std(speaker) == pytest.approx(factor * np.std(expected), rel=0.15)
        assert np.abs(output["continuous"]).max() <= 1.1 * factor * np.abs(sum(tones)).max()
        if not shift:
            total = output["continuous"].sum(0)
            assert np.std(total - factor * sum(alone)) < 0.15 * np.std(factor * sum(alone))


def test_estimates_that_sound_alike_share_the_mixture(codec, voice):
    samples = voice(8000)
    outputs = whole(EmbeddingEnhancer(codec, Identity(2), peak=1.0, reference_peak=1.0), samples)["continuous"]
    assert np.allclose(outputs[0], -outputs[1], atol=1e-5)
    power = np.square(whole(EmbeddingEnhancer(codec), samples)["continuous"]).sum()
    assert np.square(outputs).sum() == pytest.approx(power, rel=0.3)


def test_no_estimate_is_silenced_where_two_sound_nearly_alike(voice):
    mixture, rng = voice(16000), np.random.default_rng(0)
    for seed in range(5):
        noise = rng.standard_normal((2, 1, 16000)).astype(np.float32) * np.std(mixture)
        estimates = np.stack([mixture, mixture])[:, None] + 0.2 * noise
        scaled = by_power(mixture[None], estimates)
        first, second = np.square(scaled).mean((1, 2))
        assert 0.5 < first / second < 2, seed
        assert first + second == pytest.approx(np.square(mixture).mean(), rel=0.3)


class Mute(Identity):
    """A separator whose second estimate is silent."""

    def forward(self, embedding, lengths, additional):
        return [embedding, 0 * embedding], lengths, {}


def test_a_silent_estimate_stays_silent(codec, voice):
    samples = voice(8000)
    decoded = whole(EmbeddingEnhancer(codec, Mute(2), peak=1.0, reference_peak=1.0), samples)["continuous"]
    assert np.isfinite(decoded).all() and np.square(decoded[1]).sum() < 1e-3 * np.square(decoded[0]).sum()


class Saturating(Identity):
    """A separator whose estimate depends on the level."""

    def forward(self, embedding, lengths, additional):
        return [embedding.tanh()], lengths, {}


def test_segments_of_a_long_recording_are_brought_to_one_level(codec, voice):
    samples = voice(16000 * 4)
    samples[: 16000 * 2] *= 0.1
    whole_recording = whole(EmbeddingEnhancer(codec, Saturating(), peak=0.9), samples)["continuous"]
    enhancer = EmbeddingEnhancer(codec, Saturating(), segment_seconds=1.0, overlap_seconds=0.25, peak=0.9)
    assert np.abs(segmented(enhancer, samples)["continuous"] - whole_recording).max() < 1e-3


def test_the_separator_sees_the_quantised_mixture_where_it_is_told(codec, voice):
    samples = voice(5000)
    embedding, _frames = codec.encode(torch.from_numpy(samples)[None], torch.tensor([5000]))
    separator = Listening()
    for quantize, expected in ((False, embedding), (True, codec.quantize(embedding)[0])):
        whole(EmbeddingEnhancer(codec, separator, quantize_mixture=quantize), samples)
        assert torch.allclose(separator.heard, expected, atol=1e-6)


def test_several_speakers_overlap_longer_as_one_may_pause(codec):
    overlaps = [EmbeddingEnhancer(codec, Identity(num_spk)).overlap_samples for num_spk in (1, 2)]
    assert overlaps == [16000, 48000]
