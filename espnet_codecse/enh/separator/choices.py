"""The separators of the package by their names in configurations. Each is imported only when it is used."""

import importlib

SEPARATORS: dict[str, str] = {
    "nac_se": "espnet_codecse.enh.separator.nac_se:NacSeSeparator",
    "codecformer": "espnet_codecse.enh.separator.codecformer:CodecformerSeparator",
    "embedding_unet": "espnet_codecse.enh.separator.unet:EmbeddingUNetSeparator",
    "identity": "espnet_codecse.enh.separator.identity:IdentitySeparator",
    "embedding_dual_path": "espnet_codecse.enh.separator.dual_path:EmbeddingDualPathSeparator",
}


def separator_class(name: str) -> type:
    """Return the class of one of :data:`SEPARATORS`."""
    module, _, attribute = SEPARATORS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
