"""Frozen acoustic features of a recording: BEATs, DistillMOS, a Hugging Face speech model, a codec's embedding."""

from functools import lru_cache
from typing import Any

import torch

from espnet_codecse.errors import UserError
from espnet_codecse.features.abs_features import AbsFeatures, hash_of_weights

KINDS = ("beats", "distillmos", "transformers", "codec")
PUBLISHED = ("facebook/wav2vec2-base", "microsoft/wavlm-base-plus")  # those of the recipes, on the Hugging Face hub


class CodecFeatures(AbsFeatures):
    """The embedding of a frozen codec.

    Args:
        name: codec, as given to ``--codec``.
    """

    def __init__(self, name: str):
        super().__init__()
        from espnet_codecse.codec import load_codec

        self.codec = load_codec(name)
        self.name, self.sample_rate, self.hop, self.dim = name, self.codec.sample_rate, self.codec.hop, self.codec.dim
        self.fingerprint = self.codec.fingerprint

    def num_frames(self, num_samples: int) -> int:
        """See the base class."""
        return self.codec.num_frames(num_samples)

    def features(self, speech: torch.Tensor) -> torch.Tensor:
        """See the base class."""
        return self.codec.encode(speech, torch.full((len(speech),), speech.shape[1]))[0]


class TransformersFeatures(AbsFeatures):
    """The last hidden layer of wav2vec 2.0, HuBERT, WavLM or another model with the same interface.

    Args:
        name: Hugging Face id or local folder.

    Raises:
        UserError: the model cannot be loaded, or takes no waveforms.
    """

    def __init__(self, name: str):
        super().__init__()
        from transformers import AutoFeatureExtractor, AutoModel

        try:
            self.network = AutoModel.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise UserError(f"features of {name}: cannot be loaded ({_first_line(error)})") from None
        if not hasattr(self.network, "_get_feat_extract_output_lengths"):
            kind = self.network.config.model_type
            raise UserError(f"features of {name}: a '{kind}' model takes no waveforms; give wav2vec2 or the like")
        try:
            extractor = AutoFeatureExtractor.from_pretrained(name)
            self.sample_rate, self.normalize = extractor.sampling_rate, bool(extractor.do_normalize)
        except (OSError, ValueError, AttributeError):
            self.normalize = True  # most of these models were trained on normalised waveforms
        self.name, self.dim = name, self.network.config.hidden_size
        self.hop = int(torch.tensor(self.network.config.conv_stride).prod())
        # Signals shorter than this have no frame.
        self.least = next(n for n in range(1, 1 << 16) if self.num_frames_of_whole(n) > 0)
        self.fingerprint = hash_of_weights(self.network)

    def num_frames_of_whole(self, num_samples: int) -> int:
        """Return the number of frames that the convolutions compute from ``num_samples``."""
        return int(self.network._get_feat_extract_output_lengths(num_samples))

    def num_frames(self, num_samples: int) -> int:
        """See the base class."""
        return self.num_frames_of_whole(max(num_samples, self.least))

    def features(self, speech: torch.Tensor) -> torch.Tensor:
        """See the base class."""
        if self.normalize:
            deviation = (speech.var(1, unbiased=False, keepdim=True) + 1e-7).sqrt()
            speech = (speech - speech.mean(1, keepdim=True)) / deviation
        speech = torch.nn.functional.pad(speech, (0, max(0, self.least - speech.shape[1])))
        return self.network(speech).last_hidden_state


def load_features(source: str, device: str = "cpu") -> AbsFeatures:
    """Load ``kind:model``, such as ``codec:small`` or ``beats:/models/BEATs_iter3_plus_AS2M.pt``, once per process.

    Raises:
        UserError: the kind is unknown, or the model cannot be loaded.
    """
    return _load(source).to(device)


@lru_cache(maxsize=2)
def _load(source: str) -> AbsFeatures:
    kind, _, model = source.partition(":")
    if kind not in KINDS:
        raise UserError(f"features of kind '{kind}': unknown; known: none, {', '.join(KINDS)}")
    if not model or model == "None":
        missing = "--codec" if kind == "codec" else "model"
        raise UserError(f"{missing}: missing; features of kind '{kind}' need one")
    # Building the network draws random weights. Restore the generator, so that the initial weights of a training are
    # the same with and without features.
    with torch.random.fork_rng(devices=[]):
        if kind == "beats":
            from espnet_codecse.features.beats import BeatsFeatures

            loaded: AbsFeatures = BeatsFeatures(model)
        elif kind == "distillmos":
            from espnet_codecse.features.distillmos import DistillMOSFeatures

            loaded = DistillMOSFeatures(model)
        else:
            loaded = {"codec": CodecFeatures, "transformers": TransformersFeatures}[kind](model)
    return loaded.eval().requires_grad_(False)


def configured_features(conf: dict[str, Any], codec: str | None) -> tuple[str, AbsFeatures]:
    """Load the features of a configuration, and write their fingerprint into it.

    The fingerprint is saved with the experiment. It later shows whether the features are those of the training.

    Args:
        conf: ``kind``, ``model`` (for kinds other than ``codec``), and ``fingerprint`` if a model was trained with it.
        codec: the ``--codec`` of the training.

    Returns:
        ``(source for load_features, features)``.

    Raises:
        UserError: the features cannot be loaded, or differ from those of the training.
    """
    kind = conf.get("kind", "codec")
    source = f"{kind}:{codec if kind == 'codec' else conf.get('model')}"
    features = load_features(source)
    known = conf.get("fingerprint")
    if known and known != features.fingerprint:
        raise UserError(
            f"features of {source}: their fingerprint is {features.fingerprint}, but the model was trained with {known}"
            "; use the features of the training"
        )
    conf["fingerprint"] = features.fingerprint
    return source, features


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
