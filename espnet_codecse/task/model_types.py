"""The types of models, each with the parts that train it, provide its data, and run it."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from espnet_codecse.errors import UserError


@dataclass(frozen=True)
class ModelType:
    """Names of the parts of a model type; they are imported on demand, because importing ESPnet takes seconds.

    Attributes:
        task: ESPnet task class, as ``module:name`` below ``espnet_codecse``.
        data: function that returns the trainer's data options; see :func:`task.training.training_options`.
        enhancer: class derived from :class:`inference.abs_enhancer.AbsEnhancer`.
        layers: layers that its models decode, in the order of result tables.
        trained: function that builds a model for inference from a training's options without the task, or returns None
            if only the task can; empty: always use the task.
        outputs: outputs per layer; empty: one for each of ``separator_conf``'s ``num_spk``.
        takes_codec: whether its configurations name a codec.
    """

    task: str
    data: str
    enhancer: str
    layers: tuple[str, ...] = ("waveform",)
    trained: str = ""
    outputs: tuple[str, ...] = ("spk1",)
    takes_codec: bool = True

    def load(self, part: str) -> Any:
        """Import the object that the attribute ``part`` names."""
        module, name = getattr(self, part).split(":")
        return getattr(importlib.import_module(f"espnet_codecse.{module}"), name)


EMBEDDING = "embedding"
MODEL_TYPES = {
    EMBEDDING: ModelType(
        "task.enhancement:EmbeddingEnhancementTask",
        "task.enhancement:training_data",
        "enh.enhancer:EmbeddingEnhancer",
        ("continuous", "quantized"),
        trained="enh.trained:build_trained",
        outputs=(),
    ),
    "dual_branch": ModelType(
        "task.dual_branch:DualBranchTask",
        "task.dual_branch:training_data",
        "dual_branch.enhancer:DualBranchEnhancer",
        outputs=("spk1", "noise1", "reconstruction"),
    ),
    "fuse_vae": ModelType("task.fuse:FuseVAETask", "task.fuse:training_data", "fuse.enhancer:FuseEnhancer"),
    "fuse": ModelType("task.fuse:FuseTask", "task.fuse:training_data", "fuse.enhancer:FuseEnhancer"),
    "sgmse": ModelType("task.fuse:SGMSETask", "task.fuse:training_data", "fuse.sgmse:SGMSEEnhancer"),
    "waveform": ModelType(
        "task.waveform:WaveformTask",
        "task.waveform:training_data",
        "waveform.enhancer:WaveformEnhancer",
        outputs=(),
        takes_codec=False,
    ),
    "causal": ModelType(
        "task.causal:CausalTask",
        "task.causal:training_data",
        "causal.enhancer:CausalEnhancer",
        trained="causal.trained:build_trained",
    ),
}
LAYERS = tuple(dict.fromkeys(layer for model_type in MODEL_TYPES.values() for layer in model_type.layers))


def model_type_name(configuration: Mapping[str, Any]) -> str:
    """Return the ``task`` that a training's configuration names; ``embedding`` if it names none.

    Raises:
        UserError: the task is unknown.
    """
    name = configuration.get("task") or EMBEDDING
    if not isinstance(name, str) or name not in MODEL_TYPES:
        raise UserError(f"task: '{str(name)[:40]}' is unknown; known: {', '.join(MODEL_TYPES)}")
    return name


def model_type_of(configuration: Mapping[str, Any]) -> ModelType:
    """Return the type of model that a training's configuration describes; see :func:`model_type_name`."""
    return MODEL_TYPES[model_type_name(configuration)]


def codec_of(configuration: Mapping[str, Any]) -> Any:
    """Return the name of the codec that a trained model needs, or None."""
    kind = model_type_name(configuration)
    if kind == "causal" and (configuration.get("model_conf") or {}).get("given", "none") == "none":
        return None  # if it has a teacher, then in training only
    if kind != EMBEDDING:
        # A model that was initialised from a codec has the layout in its configuration, and its own weights.
        return None if configuration.get("coder_conf") else configuration.get("codec")
    encoder = configuration.get("encoder_conf")
    return encoder.get("codec") if isinstance(encoder, Mapping) else None
