"""DAC and EnCodec of the transformers library, from a Hugging Face id or a local folder."""

from pathlib import Path

import torch

from espnet_codecse.codec.acceleration import fold_weight_norm, use_bfloat16
from espnet_codecse.codec.conv_codec import ConvCodec, fingerprint_of
from espnet_codecse.errors import UserError


def _download(source: str) -> str:
    """Return the folder of the hub id ``source`` in the local cache; download it first if the hub can be reached.

    Raises:
        UserError: the model is neither in the cache nor available for download.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE

    try:
        # Without a network, from_pretrained would retry each request for half a minute.
        return snapshot_download(source, allow_patterns=["config.json", "model.safetensors"])
    except Exception:  # the hub's library does not wrap exceptions of network libraries
        raise UserError(
            f"{source}: not in the local cache {HF_HUB_CACHE} and the hub cannot be reached or has no such id; "
            "pass --codec FOLDER with a downloaded copy (config.json and model.safetensors)"
        ) from None


class _TransformersCodec(ConvCodec):
    """Base of both families: loading and identity.

    Args:
        source: folder, or id on the hub.
        name: value of ``--codec``.
        bfloat16: compute products in bfloat16; see :mod:`espnet_codecse.codec.acceleration`.
    """

    model_class: str

    def __init__(self, source: str, name: str, bfloat16: bool):
        super().__init__()
        self.model = self._load(source)
        config = self.model.config
        self.name, self.sample_rate, self.codebook_size = name, config.sampling_rate, config.codebook_size
        identity = {key: value for key, value in config.to_diff_dict().items() if "version" not in key}
        self.fingerprint = fingerprint_of(identity, self.model.state_dict())
        fold_weight_norm(self.model)
        if bfloat16:
            self.product_dtype = torch.bfloat16
            use_bfloat16(self.model.encoder, self.model.decoder)

    def _load(self, source: str) -> torch.nn.Module:
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        loader = getattr(transformers, self.model_class)
        folder = source if Path(source).is_dir() else _download(source)
        try:
            # Shapes are compared below, where the message can name the keys.
            model, report = loader.from_pretrained(folder, output_loading_info=True, ignore_mismatched_sizes=True)
        except Exception as error:  # damaged files raise exceptions of many types
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"{source}: not a {self.model_class} folder ({reason}); save it again") from None
        kinds = {
            "missing": report["missing_keys"],
            "unexpected": report["unexpected_keys"],
            "of another shape": [key[0] for key in report.get("mismatched_keys", [])],
        }
        differing = [f"{kind}: {', '.join(sorted(keys)[:4])} ({len(keys)})" for kind, keys in kinds.items() if keys]
        if differing:
            raise UserError(f"{source}: does not fit config.json; {'; '.join(differing)}")
        return model


class DacCodec(_TransformersCodec):
    """Descript audio codec (Kumar et al., 2023)."""

    model_class, activation = "DacModel", "snake"
    chunk_frames = 200  # its layers at the sample rate are wide; with 750, coding takes 1.3 times as long

    def __init__(self, source: str, name: str, bfloat16: bool = False):
        super().__init__(source, name, bfloat16)
        config = self.model.config
        # The published 16 and 24 kHz configurations state hop_length 512; the strides give the true 320.
        self.hop = int(torch.tensor(config.downsampling_ratios).prod())
        self.dim = config.hidden_size
        self._freeze(_children(self.model.encoder), _children(self.model.decoder))

    def _quantize(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # The quantiser returns a straight-through sum, which loses precision if the embedding is large.
        codes = self.model.quantizer(embedding)[1]
        return self._dequantize(codes), codes

    def _dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        return self.model.quantizer.from_codes(codes)[0]


class EncodecCodec(_TransformersCodec):
    """EnCodec (Defossez et al., 2022) at its highest bandwidth."""

    model_class, activation = "EncodecModel", "elu"

    def __init__(self, source: str, name: str, bfloat16: bool = False):
        super().__init__(source, name, bfloat16)
        config = self.model.config
        if config.normalize or config.audio_channels != 1:
            raise UserError(f"{source}: a stereo or level-normalising EnCodec is not supported; use encodec_24khz")
        self.hop = int(torch.tensor(config.upsampling_ratios).prod())
        self.dim, self.bandwidth = config.hidden_size, max(config.target_bandwidths)
        self._freeze(list(self.model.encoder.layers), list(self.model.decoder.layers))

    def _quantize(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        codes = self.model.quantizer.encode(embedding, self.bandwidth)
        return self.model.quantizer.decode(codes), codes.transpose(0, 1)

    def _dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        return self.model.quantizer.decode(codes.transpose(0, 1))


def _children(coder: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the layers of DAC's encoder or decoder in the order of execution."""
    ordered: list[torch.nn.Module] = []
    for child in coder.children():
        ordered += list(child) if isinstance(child, torch.nn.ModuleList) else [child]
    return ordered
