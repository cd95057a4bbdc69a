"""Verify a pack without trusting it: all files, strict loading of weights, the codec, and a short enhancement.

The network is not used: a codec that a pack only names must be in the cache, or given.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.task.model_types import codec_of
from espnet_codecse.zoo.find import ModelFiles, called, find_model, open_pack
from espnet_codecse.zoo.hub import offline
from espnet_codecse.zoo.manifest import MANIFEST, check_files, network_name

SMOKE_SECONDS = 1.0


def verify_pack(pack: Path, label: str = "", codec: str | None = None) -> list[str]:
    """Verify a zip, its unpacked folder, or a model of the package.

    Args:
        pack: the pack; a zip is unpacked again even if the cache has it.
        label: name of the pack in messages; default: its path.
        codec: folder of the codec, for packs without it.

    Returns:
        Lines about what was verified.

    Raises:
        UserError: the first problem found.
    """
    label = label or str(pack)
    if not Path(pack).is_file():
        return _verify(find_model(str(pack)), label, codec)
    from espnet_codecse.zoo.archive import unpack

    with tempfile.TemporaryDirectory(prefix="codecse_verify.") as temporary:
        return verify_folder(unpack(Path(pack), Path(temporary), label), label, codec)


def verify_folder(folder: Path, label: str, codec: str | None = None) -> list[str]:
    """Verify an unpacked pack; see :func:`verify_pack`."""
    return _verify(open_pack(folder, label), label, codec)


def _verify(files: ModelFiles, label: str, codec: str | None) -> list[str]:
    from espnet_codecse.zoo.load import build_enhancer

    manifest = files.manifest
    if manifest is None:
        raise UserError(f"{label}: {MANIFEST} is missing; not a pack written by 'codecse pack'")
    check_files(files.folder, manifest, label)
    total = sum(entry["bytes"] for entry in manifest["files"].values())
    lines = [f"files: {len(manifest['files'])}, {total / 1e6:.1f} MB, all SHA-256 hashes match"]
    # Loading checks the weights against the configuration key by key, and the codec's fingerprint.
    with called(files, label), offline():
        enhancer = build_enhancer(files, codec, "cpu", "float32", [manifest["layer"]])
    parameters = sum(parameter.numel() for parameter in enhancer.network.parameters())
    network = network_name(manifest, files.configuration)
    lines.append(f"weights: {parameters / 1e6:.2f} M parameters of {network}, all keys and shapes match")
    if manifest["codec"]:
        lines.append(_check_codec(files, manifest["codec"], label, codec))
    lines.append(_smoke(enhancer, manifest["layer"], label))
    return lines


def _check_codec(files: ModelFiles, expected: dict[str, Any], label: str, codec: str | None) -> str:
    from espnet_codecse.codec import load_codec

    # The one that was just built; the manifest's name may be another.
    loaded = load_codec(codec or files.codec or codec_of(files.configuration) or expected["name"])
    for key in ("fingerprint", "sample_rate", "hop", "dim"):
        if getattr(loaded, key) != expected[key]:
            raise UserError(
                f"{label}: the codec's {key} is {getattr(loaded, key)}, but the pack says {expected[key]}; "
                "pack the model again"
            )
    source = "included" if files.codec and not codec else codec or expected["name"]
    return f"codec: {source}, fingerprint {loaded.fingerprint}, {loaded.sample_rate} Hz"


def _smoke(enhancer, layer: str, label: str) -> str:
    """Enhance noise with an odd number of samples, and silence."""
    rate = enhancer.sample_rate
    num_samples = round(SMOKE_SECONDS * rate) + 1
    noise = 0.05 * np.random.default_rng(0).standard_normal(num_samples).astype(np.float32)
    for kind, samples in (("noise", noise), ("silence", np.zeros(num_samples // 2, np.float32))):
        output = enhancer.enhance_batch([samples])[0][layer]
        if output.shape != (len(enhancer.output_names), len(samples)):
            raise UserError(f"{label}: {len(samples)} samples of {kind} gave an output of {output.shape}; refused")
        if not np.isfinite(output).all():
            raise UserError(f"{label}: {kind} gave values that are not finite; the weights are damaged")
    num_outputs = len(enhancer.output_names)
    return f"inference: {num_samples} samples at {rate} Hz in, {num_outputs} x {num_samples} out, all finite"
