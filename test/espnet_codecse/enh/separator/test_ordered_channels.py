"""The separators that see the embedding as an image: what they start from, padding, level, channels that do not fit."""

import pytest
import torch
from random_weights import randomized

from espnet_codecse.enh.separator.dual_path import BidirectionalLSTM, EmbeddingDualPathSeparator
from espnet_codecse.enh.separator.ordered_channels import FILTER_SCALE, local_features
from espnet_codecse.enh.separator.unet import EmbeddingUNetSeparator

TINY = {
    EmbeddingUNetSeparator: {
        "channels": (4, 6),
        "width": 16,
        "num_conv_blocks": 1,
        "num_layers": 1,
        "num_dual_path_blocks": 1,
        "dual_path_hidden_size": 6,
        "filter_size": (3, 5),
    },
    EmbeddingDualPathSeparator: {"num_planes": 8, "hidden_size": 6, "num_blocks": 2, "band_channels": 4},
}


@pytest.fixture(params=TINY)
def kind(request):
    """One of the separators."""
    return request.param


def small(kind, num_channels: int = 16, num_spk: int = 1, **options):
    torch.manual_seed(0)
    return kind(num_channels, num_spk, **{**TINY[kind], **options}).eval()


def trained(kind, **options):
    """Return a small one whose zero-initialised layers, which would hide what the others do, are not zero."""
    return randomized(small(kind, **options))


def test_starts_from_the_mixture(kind):
    separator = small(kind)
    mixture = torch.randn(2, 9, 16)
    estimates, lengths, others = separator(mixture, torch.tensor([9, 9]))
    assert len(estimates) == separator.num_spk == 1 and lengths.tolist() == [9, 9]
    assert torch.allclose(estimates[0], mixture * torch.tensor(2.0).sigmoid())
    assert others["mask_spk1"].shape == mixture.shape
    estimates[0].square().sum().backward()
    assert separator.head.weight.grad.any()


@pytest.mark.parametrize("num_spk", [2, 3])
def test_speakers_start_from_their_shares_and_differ(kind, num_spk):
    separator = small(kind, num_spk=num_spk)
    mixture = torch.randn(2, 9, 16)
    estimates, _, others = separator(mixture, torch.tensor([9, 9]))
    for index in range(num_spk):
        assert others[f"mask_spk{index + 1}"].mean().item() == pytest.approx(1 / num_spk, abs=0.05)
    assert not torch.allclose(estimates[0], estimates[1], atol=1e-3)


@pytest.mark.parametrize("num_spk", [1, 3])
def test_padding_and_neighbours_in_a_batch_change_nothing(kind, num_spk):
    separator = trained(kind, num_spk=num_spk)
    first, second = torch.randn(1, 9, 16), torch.randn(1, 15, 16)
    batch = torch.cat([torch.nn.functional.pad(first, (0, 0, 0, 6), value=3.0), second])
    together = separator(batch, torch.tensor([9, 15]))[0]
    for alone, others in zip(separator(first, torch.tensor([9]))[0], together):
        assert torch.allclose(alone[0], others[0, :9], atol=1e-5)
    for alone, others in zip(separator(second, torch.tensor([15]))[0], together):
        assert torch.allclose(alone[0], others[1], atol=1e-5)


def test_follows_the_level_and_keeps_silence(kind):
    separator = trained(kind)
    mixture, lengths = torch.randn(1, 12, 16), torch.tensor([12])
    loud, soft = separator(100 * mixture, lengths)[0][0], separator(mixture, lengths)[0][0]
    assert torch.allclose(loud, 100 * soft, rtol=1e-3, atol=1e-2)
    silence = separator(torch.zeros(1, 12, 16), lengths)[0][0]
    assert torch.isfinite(silence).all() and silence.abs().max() < 1e-3


def test_low_channels_alone(kind):
    separator = trained(kind, num_spk=2, num_low_channels=8)
    narrow = small(kind, 8, num_spk=2)
    narrow.load_state_dict(separator.state_dict())
    mixture, lengths = torch.randn(1, 12, 16), torch.tensor([12])
    estimates, _, others = separator(mixture, lengths)
    assert others["mask_spk2"].shape == mixture.shape
    for estimate, of_low in zip(estimates, narrow(mixture[..., :8], lengths)[0]):
        assert torch.equal(estimate[..., :8], of_low) and not estimate[..., 8:].any()
    with pytest.raises(ValueError, match="num_low_channels 32: the embedding has 16"):
        trained(kind, num_low_channels=32)


def test_a_single_frame_and_bfloat16(kind):
    separator = trained(kind)
    assert separator(torch.randn(1, 1, 16), torch.tensor([1]))[0][0].shape == (1, 1, 16)
    mixture, lengths = torch.randn(1, 12, 16), torch.tensor([12])
    with torch.autocast("cpu", torch.bfloat16):
        half = separator(mixture, lengths)[0][0]
    assert half.dtype == torch.float32
    assert torch.allclose(half, separator(mixture, lengths)[0][0], atol=0.1)


def test_parts_put_into_a_trained_network_change_nothing_at_first():
    plain = trained(EmbeddingUNetSeparator, num_dual_path_blocks=0, filter_size=None)
    grown = small(EmbeddingUNetSeparator, num_dual_path_blocks=2)
    missing, unexpected = grown.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected and {key.split(".")[0] for key in missing} == {"dual_path", "filter"}
    mixture, lengths = torch.randn(2, 12, 16), torch.tensor([12, 7])
    assert torch.allclose(grown(mixture, lengths)[0][0], plain(mixture, lengths)[0][0], atol=1e-6)


@pytest.mark.parametrize("speaker", [0, 1])
def test_the_filter_reaches_neighbouring_frames_and_channels(speaker):
    separator = small(EmbeddingUNetSeparator, num_spk=2)
    mixture, lengths = torch.randn(1, 12, 16), torch.tensor([12])
    before = separator(mixture, lengths)[0]
    frame, channel = 2, 1  # of 3 x 5 around a value: the next frame, the channel below
    with torch.no_grad():
        separator.filter.bias[15 * speaker + 5 * frame + channel] = 0.5
    after = separator(mixture, lengths)[0]
    assert torch.equal(after[1 - speaker], before[1 - speaker])
    added = after[speaker] - before[speaker]
    assert torch.allclose(added[:, :-1, 1:], 0.5 * FILTER_SCALE * mixture[:, 1:, :-1], atol=1e-6)
    assert not added[:, -1].any() and not added[:, :, 0].any()


def test_a_filter_without_a_middle():
    with pytest.raises(ValueError, match="filter_size .3, 4.: odd numbers"):
        small(EmbeddingUNetSeparator, filter_size=(3, 4))


def test_features_show_what_stands_out():
    embedding, mask = torch.ones(1, 40, 8), torch.ones(1, 40, 1)
    embedding[:, 20:22] = 10.0
    root, level, above_mean = local_features(embedding, mask)[0]
    assert root[20, 3] == pytest.approx(10**0.5, rel=0.02) and root[0, 3] == pytest.approx(1, rel=0.05)
    assert (level[20] > level[5]).all()
    assert above_mean[5].abs().max() < 0.2 and above_mean[20].min() > 0.8
    assert above_mean.mean().abs() < 1e-5


@pytest.mark.parametrize("kind, reason", list(zip(TINY, ["halved 2 times", "cut into bands of 4, an even number"])))
def test_channels_that_do_not_fit(kind, reason):
    with pytest.raises(ValueError, match=f"an embedding of 18 channels cannot be {reason}; use the separator nac_se"):
        small(kind, 18)


def test_bands_of_an_odd_number_of_channels():
    with pytest.raises(ValueError, match="bands of 3, an even number"):
        EmbeddingDualPathSeparator(18, band_channels=3)


def test_lstms_of_two_directions_equal_a_packed_bidirectional_one():
    torch.manual_seed(0)
    both = BidirectionalLSTM(5, 4)
    reference = torch.nn.LSTM(5, 4, batch_first=True, bidirectional=True)
    reference.load_state_dict(
        {
            **both.forwards.state_dict(),
            **{f"{key}_reverse": value for key, value in both.backwards.state_dict().items()},
        }
    )
    features, lengths = torch.randn(3, 9, 5), torch.tensor([9, 4, 1])
    packed = torch.nn.utils.rnn.pack_padded_sequence(features, lengths, batch_first=True)
    expected = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)[0]
    output = both(features, lengths)
    for item, length in enumerate(lengths):
        assert torch.allclose(output[item, :length], expected[item, :length], atol=1e-6)
    assert torch.allclose(both(features), reference(features)[0], atol=1e-6)


def test_every_band_hears_of_every_other_and_of_all_frames():
    separator = trained(EmbeddingDualPathSeparator)
    mixture = torch.randn(1, 30, 16, requires_grad=True)
    separator(mixture, torch.tensor([30]))[0][0][0, 15, 0].backward()
    assert mixture.grad[0, 0].any() and mixture.grad[0, 29].any() and mixture.grad[0, 15, 15].any()
