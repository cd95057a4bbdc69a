"""Small randomly initialised codecs written in the official file formats, for tests of every back end."""

from pathlib import Path

import torch
import yaml
from random_weights import randomized


def save_dac(folder: Path, seed: int = 0) -> Path:
    """Write a Hugging Face DAC folder: hop 320 while the configuration claims 512, as the published ones do."""
    from transformers import DacConfig, DacModel

    torch.manual_seed(seed)
    config = DacConfig(
        encoder_hidden_size=4,
        decoder_hidden_size=32,
        downsampling_ratios=[2, 4, 5, 8],
        upsampling_ratios=[8, 5, 4, 2],
        n_codebooks=3,
        codebook_size=16,
        codebook_dim=4,
        sampling_rate=16000,
    )
    config.hop_length = 512
    model = DacModel(config)
    _spread(model)
    model.save_pretrained(folder)
    return folder


def save_encodec(folder: Path, seed: int = 0) -> Path:
    """Write a Hugging Face EnCodec folder: causal, with LSTM, 24 kHz, hop 320."""
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(seed)
    config = EncodecConfig(num_filters=4, hidden_size=16, codebook_size=16, codebook_dim=16, num_lstm_layers=2)
    model = EncodecModel(config)
    _spread(model)
    for layer in model.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed)
    model.save_pretrained(folder)
    return folder


def save_espnet(folder: Path, family: str, seed: int = 0) -> Path:
    """Write an ESPnet-Codec experiment folder of ``family`` soundstream, encodec or dac: 16 kHz, hop 320."""
    from espnet2.gan_codec.dac.dac import DACGenerator
    from espnet2.gan_codec.soundstream.soundstream import SoundStreamGenerator

    torch.manual_seed(seed)
    params = {
        "hidden_dim": 16,
        "encdec_channels": 1,
        "encdec_n_filters": 4,
        "encdec_n_residual_layers": 2,
        "encdec_ratios": [8, 5, 4, 2],
        "encdec_activation": "Snake" if family == "dac" else "ELU",
        "encdec_activation_params": {} if family == "dac" else {"alpha": 1.0},
        "encdec_norm": "weight_norm",
        "encdec_kernel_size": 7,
        "encdec_residual_kernel_size": 7,
        "encdec_last_kernel_size": 7,
        "encdec_dilation_base": 2,
        "encdec_causal": False,
        "encdec_pad_mode": "reflect",
        "encdec_lstm": 2,
        "quantizer_n_q": 3,
        "quantizer_bins": 16,
        "quantizer_kmeans_init": False,
        "quantizer_target_bandwidth": [0.2, 0.6],
    }
    if family == "dac":
        params["codebook_dim"] = 16
    generator = (DACGenerator if family == "dac" else SoundStreamGenerator)(sample_rate=16000, **params)
    state = {f"codec.generator.{key}": value for key, value in generator.state_dict().items()}
    state["codec.discriminator.weight"] = torch.zeros(1)  # an official checkpoint carries the discriminators too
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "120epoch.pth")
    config = {"codec": family, "codec_conf": {"sampling_rate": 16000, "generator_params": params}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def save_mdct(folder: Path, seed: int = 0) -> Path:
    """Write a folder of the small codec's format with random weights."""
    from espnet_codecse.codec.mdct.codec import save_mdct_codec
    from espnet_codecse.codec.mdct.model import MDCTCodecNet

    torch.manual_seed(seed)
    net = MDCTCodecNet(
        num_channels=32, widths=(8, 8), num_refiners=1, num_codebooks=3, codebook_size=16, codebook_dim=8
    )
    randomized(net, std=0.05)
    for name, buffer in net.quantizer.named_buffers():
        # Fitted, not trained: at first all zeros, and every code the same.
        torch.nn.init.normal_(buffer, std=1.0 if name.endswith("codebook") else 0.3)
    save_mdct_codec(net, folder)
    return folder


def save_lyra(folder: Path) -> Path:
    """Write a folder of Lyra V2's file format."""
    import tiny_lyra  # needs the package tflite, which only tests of this codec should need

    return tiny_lyra.save_lyra(folder)


def save_codec(folder: Path, family: str) -> Path:
    """Write a tiny codec of one of :data:`FAMILIES`."""
    if family.startswith("espnet_"):
        return save_espnet(folder, family.removeprefix("espnet_"))
    return {"dac": save_dac, "encodec": save_encodec, "mdct": save_mdct, "lyra": save_lyra}[family](folder)


FAMILIES = ("dac", "encodec", "espnet_dac", "espnet_encodec", "espnet_soundstream", "mdct", "lyra")


def _spread(model: torch.nn.Module) -> None:
    # The library's own initialisation is so small that every output is nearly zero, which would hide errors.
    for name, parameter in model.named_parameters():
        if parameter.dim() == 3 and "alpha" not in name:
            torch.nn.init.kaiming_normal_(parameter, nonlinearity="linear")
            parameter.data.mul_(0.7)  # residual units add up: at full gain the output saturates, which hides errors too
