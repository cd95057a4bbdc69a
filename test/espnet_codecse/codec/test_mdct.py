"""The small codec: lapped transform, companding, quantiser, folder."""

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from random_weights import randomized
from tiny_codecs import save_mdct

from espnet_codecse.codec import load_codec
from espnet_codecse.codec.mdct.codec import MDCTCodec, save_mdct_codec
from espnet_codecse.codec.mdct.layers import Upsample
from espnet_codecse.codec.mdct.model import MDCTCodecNet
from espnet_codecse.codec.mdct.quantizer import ResidualQuantizer, kmeans, nearest
from espnet_codecse.codec.mdct.transform import Companding, mdct_kernel
from espnet_codecse.errors import UserError


def tiny_net(**options) -> MDCTCodecNet:
    sizes = {"num_channels": 320, "widths": (4, 4), "num_codebooks": 3, "codebook_size": 8, "codebook_dim": 8}
    torch.manual_seed(0)
    return MDCTCodecNet(**{**sizes, **options})


def tiny_quantizer(num_codebooks: int) -> ResidualQuantizer:
    return tiny_net(num_channels=32, num_codebooks=num_codebooks, codebook_size=16).quantizer


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_full_transform_reconstructs_perfectly():
    kernel = mdct_kernel(320, 320)
    speech = draw(1, 1, 320 * 20)
    coefficients = torch.nn.functional.conv1d(speech, kernel, stride=320, padding=160)
    output = torch.nn.functional.conv_transpose1d(coefficients, kernel, stride=320, padding=160)
    interior = slice(320, -320)  # the first and last half frame lack the neighbour that cancels their aliasing
    assert torch.allclose(output[..., interior], speech[..., interior], atol=1e-4)
    # Orthonormal: the coefficients hold the signal's energy.
    assert coefficients.square().sum().item() == pytest.approx(speech[..., 160:-160].square().sum().item(), rel=0.05)


def test_a_codec_with_all_coefficients_returns_the_signal(tmp_path):
    net = tiny_net(widths=(), strides=(320,), num_refiners=0)
    net.set_scale(torch.linspace(0.5, 2.0, 320))
    save_mdct_codec(net, tmp_path)
    codec = MDCTCodec(tmp_path, "lossless")
    speech = 0.1 * draw(1, 320 * 20 + 7)
    embedding, lengths = codec.encode(speech, torch.tensor([speech.shape[1]]))
    decoded = codec.decode(embedding, lengths, speech.shape[1])
    assert torch.allclose(decoded[:, 160:], speech[:, 160:], atol=1e-4)  # the first half frame has no neighbour
    quantized, codes = codec.quantize(embedding)
    assert quantized.shape == embedding.shape and codes.shape[1] == 3
    with pytest.raises(ValueError, match="no widths, but 256 channels cannot hold 320 samples per frame"):
        tiny_net(num_channels=256, widths=(), strides=(320,))


def test_the_packaged_codec_with_all_coefficients_has_no_seam():
    codec, speech = load_codec("small_lossless"), 0.05 * draw(1, 16000)
    embedding, lengths = codec.encode(speech, torch.tensor([16000]))
    error = codec.decode(embedding, lengths, 16000)[:, 160:-160] - speech[:, 160:-160]
    spectra = [
        torch.stft(signal, 640, window=torch.hann_window(640), return_complex=True).abs() for signal in (error, speech)
    ]
    for start in range(0, 320, 16):  # bands of 400 Hz
        noise, signal = (spectrum[:, start : start + 16].square().sum() for spectrum in spectra)
        assert noise < 1e-5 * signal


def test_fewer_channels_keep_the_lower_band():
    time = torch.arange(320 * 30) / 16000
    kernel = mdct_kernel(320, 256)
    for frequency, kept in ((3000.0, True), (7500.0, False)):
        tone = torch.sin(2 * torch.pi * frequency * time)[None, None]
        coefficients = torch.nn.functional.conv1d(tone, kernel, stride=320, padding=160)
        output = torch.nn.functional.conv_transpose1d(coefficients, kernel, stride=320, padding=160)
        error = (output - tone)[..., 640:-640].square().mean() / tone.square().mean()
        assert error < 1e-5 if kept else error > 0.95


@given(st.floats(0.3, 1.0), st.floats(-30, 30))
def test_companding_is_undone_exactly(power, value):
    companding = Companding(power).double()
    coefficient = torch.tensor([value, -value, 0.0], dtype=torch.float64)
    compressed = companding(coefficient)
    assert torch.allclose(companding.inverse(compressed), coefficient, rtol=1e-9, atol=1e-12)
    assert compressed[2] == 0 and torch.equal(compressed[0], -compressed[1])


def test_companding_has_finite_slopes_at_zero():
    companding = Companding(0.5)
    for function in (companding, companding.inverse):
        point = torch.zeros(1, requires_grad=True)
        function(point + 1e-8).backward()
        assert torch.isfinite(point.grad).all() and point.grad > 0


def test_untrained_codec_is_a_transform_codec():
    net = tiny_net()
    net.set_scale(torch.linspace(0.5, 2.0, 320))
    speech = 0.1 * draw(1, 1, 320 * 20)
    output = net.decoder(net.encoder(speech))
    assert torch.allclose(output[..., 320:-320], speech[..., 320:-320], atol=1e-4)


@pytest.mark.parametrize("stride", [4, 5])
def test_upsampling_to_one_channel_is_the_transposed_convolution(stride):
    torch.manual_seed(0)
    upsample, features = Upsample(3, 1, stride), torch.randn(2, 3, 7, requires_grad=True)
    whole = upsample.convolution(features)
    expected = whole[..., stride // 2 : whole.shape[-1] - (stride - stride // 2)]
    output = upsample(features)
    assert output.shape == (2, 1, 7 * stride) and torch.allclose(output, expected, atol=1e-6)
    weights = (features, *upsample.parameters())
    gradients = [torch.autograd.grad(result.square().sum(), weights) for result in (output, expected)]
    assert all(torch.allclose(*pair, atol=1e-5) for pair in zip(*gradients))


def test_kmeans_finds_separate_clusters():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.cat([centre + 0.1 * draw(50, 2, seed=seed) for seed, centre in enumerate(centres)])
    errors = []
    for seed in range(5):
        found = kmeans(points, 3, 20, torch.Generator().manual_seed(seed))
        errors.append((points - found[nearest(points, found)]).square().sum(1).mean().item())
    assert min(errors) < 0.03
    assert torch.equal(
        kmeans(points, 3, 5, torch.Generator().manual_seed(1)), kmeans(points, 3, 5, torch.Generator().manual_seed(1))
    )


def test_nearest_in_blocks_equals_distances():
    points, centres = draw(3, 9000, 4), draw(7, 4, seed=1)
    assert torch.equal(nearest(points, centres), torch.cdist(points, centres[None]).argmin(-1))


def test_fit_lowers_the_error_stage_by_stage():
    deviation = torch.cat([torch.full((8,), 3.0), torch.full((24,), 0.5)])
    embedding = draw(2000, 32) * deviation
    quantizer = tiny_quantizer(6)
    bands = quantizer.fit(embedding, torch.ones(32), generator=torch.Generator().manual_seed(0))
    assert bands[0] == 0  # most of the energy lies there
    assert all(start % 8 == 0 for start in bands)
    codes = quantizer.encode(embedding[None])
    errors = [
        (embedding - sum(stage.lookup(codes[0, i]) for i, stage in enumerate(quantizer.stages[:count])))
        .square()
        .mean()
        .item()
        for count in range(1, 7)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * embedding.square().mean().item()


def test_fit_follows_the_weights():
    quantizer = tiny_quantizer(1)
    weight = torch.cat([torch.ones(24), torch.full((8,), 5.0)])
    assert quantizer.fit(draw(500, 32), weight, generator=torch.Generator().manual_seed(0)) == [24]


def test_training_path_quantises_as_encode_and_decode():
    quantizer = tiny_quantizer(3)
    embedding = draw(2, 50, 32)
    quantizer.fit(embedding.reshape(-1, 32), torch.ones(32), generator=torch.Generator().manual_seed(0))
    quantized, *_, loss = quantizer(embedding)
    codes = quantizer.encode(embedding)
    assert codes.shape == (2, 3, 50) and loss > 0
    assert torch.allclose(quantizer.decode(codes), quantized, atol=1e-5)


def test_training_moves_the_refiner_and_lowers_the_error():
    quantizer = tiny_quantizer(2)
    embedding = draw(1, 200, 32)
    quantizer.fit(embedding[0], torch.ones(32), generator=torch.Generator().manual_seed(0))
    embedding.requires_grad_(True)
    fitted = {key: value.clone() for key, value in quantizer.stages.state_dict().items()}
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = quantizer(embedding)[-1]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert embedding.grad is None
    assert all(torch.equal(value, quantizer.stages.state_dict()[key]) for key, value in fitted.items())


def test_decoding_a_low_band_alone(tmp_path):
    net = tiny_net(num_channels=256)
    randomized(net.decoder)
    save_mdct_codec(net, tmp_path)
    codec = MDCTCodec(tmp_path, "tiny")
    embedding, num_samples = draw(2, 40, 256), 40 * 320
    lengths = torch.tensor([40, 25])
    whole, low, high = (codec.decode(embedding, lengths, num_samples, bandwidth) for bandwidth in (None, 4000, 6401))
    assert torch.equal(whole, high)  # 256 channels of 25 Hz end at 6,400 Hz: the learned path is needed
    difference = torch.fft.rfft(whole - low).abs().square()
    frequency = torch.fft.rfftfreq(num_samples, 1 / 16000)
    energy = torch.fft.rfft(whole).abs().square()
    assert difference[:, frequency > 6500].sum() > 0.9 * energy[:, frequency > 6500].sum()
    assert difference[:, frequency < 4000].sum() < 1e-4 * energy[:, frequency < 4000].sum()


def test_round_trip_through_the_folder(tmp_path):
    net = tiny_net(num_channels=64)
    save_mdct_codec(net, tmp_path / "codec")
    codec = MDCTCodec(tmp_path / "codec", "mine")
    assert codec.net.configuration == net.configuration
    assert all(torch.equal(value, codec.net.state_dict()[key]) for key, value in net.state_dict().items())


@pytest.mark.slow
def test_fingerprint_changes_with_every_weight_and_the_configuration(tmp_path):
    net = tiny_net(num_channels=64)
    seen = set()
    for key, tensor in [("", None), *net.state_dict().items()]:
        if tensor is not None:
            tensor.view(-1)[-1] += 0.25
        save_mdct_codec(net, tmp_path / "codec")
        fingerprint = MDCTCodec(tmp_path / "codec", "any name").fingerprint
        assert fingerprint not in seen, key
        seen.add(fingerprint)
    document = yaml.safe_load((tmp_path / "codec" / "config.yaml").read_text())
    document["model"]["power"] = 0.75
    (tmp_path / "codec" / "config.yaml").write_text(yaml.safe_dump(document))
    assert MDCTCodec(tmp_path / "codec", "any name").fingerprint not in seen


def test_incomplete_folder(tmp_path):
    folder = save_mdct(tmp_path / "codec")
    (folder / "config.yaml").write_text("format: another\n")
    with pytest.raises(UserError, match="format is 'another'"):
        MDCTCodec(folder, "x")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model.safetensors: missing"):
        MDCTCodec(folder, "x")
