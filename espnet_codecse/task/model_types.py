"""The types of models: what trains each, what feeds its training, and what runs it afterwards."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from espnet_codecse.errors import UserError


@dataclass(frozen=True)
class ModelType:
    """Where the parts of a type of model are; loaded when asked for, since ESPnet takes seconds to import.

    Attributes:
        task: ESPnet task class, as ``module:name`` below ``espnet_codecse``.
        data: function that gives the trainer's data options; see :func:`task.training.training_options`.
        enhancer: class derived from :class:`enh.abs_enhancer.AbsEnhancer`.
        layers: what its models decode, in the order of result tables.
        trained: function that builds from a training's options what inference needs, without the task, or None where
            only the task can; empty: always the task.
        outputs: what a decoding consists of; for several speakers, :func:`task.configuration.output_names` adds them.
    """

    task: str
    data: str
    enhancer: str
    layers: tuple[str, ...] = ("waveform",)
    trained: str = ""
    outputs: tuple[str, ...] = ("spk1",)

    def load(self, part: str) -> Any:
        """Return the object that ``part``, the name of an attribute, points to."""
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
    "ssl_gcrn": ModelType(
        "task.ssl_gcrn:SSLGCRNTask",
        "task.ssl_gcrn:training_data",
        "causal.enhancer:GCRNEnhancer",
        trained="causal.trained:build_trained",
    ),
}
LAYERS = tuple(dict.fromkeys(layer for model_type in MODEL_TYPES.values() for layer in model_type.layers))


def model_type_name(configuration: Mapping[str, Any]) -> str:
    """Return the ``task`` that a training's configuration names; ``embedding`` where it names none.

    Raises:
        UserError: it is unknown.
    """
    name = configuration.get("task") or EMBEDDING
    if not isinstance(name, str) or name not in MODEL_TYPES:
        raise UserError(f"task: '{str(name)[:40]}' is unknown; known: {', '.join(MODEL_TYPES)}")
    return name


def model_type_of(configuration: Mapping[str, Any]) -> ModelType:
    """Return the type of model that a training's configuration describes; see :func:`model_type_name`."""
    return MODEL_TYPES[model_type_name(configuration)]


def codec_of(configuration: Mapping[str, Any]) -> Any:
    """Return the name of the codec that a trained model needs; None where it needs none."""
    if model_type_name(configuration) != EMBEDDING:
        # A model that began as a codec has its layout here and weights of its own.
        return None if configuration.get("coder_conf") else configuration.get("codec")
    encoder = configuration.get("encoder_conf")
    return encoder.get("codec") if isinstance(encoder, Mapping) else None
