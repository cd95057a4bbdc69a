"""Resolve ``--codec NAME`` to a codec."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from espnet_codecse.building import building
from espnet_codecse.codec.abs_codec import AbsCodec
from espnet_codecse.documents import read_json
from espnet_codecse.errors import UserError
from espnet_codecse.precision import has_native_bfloat16

PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"

# Short names of published codecs, with the ids under which their authors published them.
TRANSFORMERS_IDS = {
    "dac_16khz": "descript/dac_16khz",
    "dac_24khz": "descript/dac_24khz",
    "dac_44khz": "descript/dac_44khz",
    "encodec_24khz": "facebook/encodec_24khz",
}
ESPNET_TAGS = (
    "espnet/amuse_dac_16k",
    "espnet/amuse_encodec_16k",
    "espnet/amuse_soundstream16k",
    "espnet/amuse_speech_soundstream_16k",
    "espnet/amuse_soundstream_44.1k",
    "espnet/libritts_dac_16k",
    "espnet/libritts_encodec_16k",
    "espnet/libritts_soundstream16k",
    "espnet/owsmdata_soundstream_16k_200epoch",
)
LYRA = "lyra_v2"
PUBLISHED = (LYRA, *TRANSFORMERS_IDS, *TRANSFORMERS_IDS.values(), *ESPNET_TAGS)


def cache_dir() -> Path:
    """Return the folder for unpacked archives: ``$CODECSE_CACHE`` or the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "espnet_codecse"
    return Path(os.environ.get("CODECSE_CACHE", default))


def load_codec(name: str, device: str = "cpu", dtype: str = "float32") -> AbsCodec:
    """Load a codec; calls with the same arguments return the same object.

    Args:
        name: ``small`` or ``small_lossless`` (part of the package), ``lyra_v2`` (see :func:`lyra_folder`), a short name
            (``dac_16khz``), a Hugging Face id, a model-zoo tag (``espnet/...``), a folder (Hugging Face, ESPnet
            experiment, small codec, Lyra V2) or a model-zoo zip.
        device: torch device.
        dtype: data type of matrix products: ``float32``, ``bfloat16`` or ``auto``: bfloat16 for DAC on a CPU that has
            it in hardware, which halves its time, otherwise float32. The small codec and Lyra V2, which take little
            time, always use float32.

    Raises:
        UserError: the codec does not exist (the message lists the places searched), its files are damaged, or bfloat16
            is requested on a GPU.
    """
    on_cpu = device.startswith("cpu")
    if dtype == "bfloat16" and not on_cpu:
        raise UserError(f"--codec_dtype bfloat16: codecs use it on a CPU only, not on {device}; give auto or float32")
    if dtype == "auto" and not (on_cpu and has_native_bfloat16(device)):
        dtype = "float32"
    return _loaded(str(name), device, dtype)


@lru_cache(maxsize=4)
def _loaded(name: str, device: str, dtype: str) -> AbsCodec:
    with building(f"--codec {name}: no codec can be built from its files", "copy or download it again"):
        return _load(name, dtype).to(device)


def forget_codecs() -> None:
    """Load codecs anew in the next calls, because their files may have changed."""
    _loaded.cache_clear()


def check_num_codebooks(codec: AbsCodec, num_codebooks: int | None) -> None:
    """Check the value of ``--num_codebooks``; None: all codebooks.

    Raises:
        UserError: the codec has fewer codebooks, or the number is not positive.
    """
    if num_codebooks is not None and not 1 <= num_codebooks <= codec.num_codebooks:
        raise UserError(f"--num_codebooks {num_codebooks}: the codec '{codec.name}' has {codec.num_codebooks}")


def lyra_folder() -> Path:
    """Return the folder of Lyra V2's files: ``$CODECSE_LYRA``, or ``lyra_v2`` in :func:`cache_dir`."""
    return Path(os.environ.get("CODECSE_LYRA") or cache_dir() / LYRA).expanduser()


def codec_files(name: str) -> list[Path]:
    """Return the local files of the codec ``name``; none if they are in the cache of a hub."""
    for path in (PRETRAINED / f"{name}_codec", lyra_folder() if name == LYRA else Path(name).expanduser()):
        if path.is_dir():
            return [file for file in path.iterdir() if file.is_file()]
        if path.is_file():
            return [path]
    return []


def public_name(name: str) -> str:
    """Return the name of a codec without local paths, by which others may have it too."""
    from espnet_codecse.codec.lyra.codec import ENCODER

    path = Path(name).expanduser()
    if (path / ENCODER).is_file():
        return LYRA
    return codec_label(name) if path.exists() else name


def check_named_codec(name: Any) -> None:
    """Refuse a codec that a file of others names unless it is here or published: it must not start any download.

    Raises:
        UserError: the codec is neither.
    """
    if name is not None and not (isinstance(name, str) and (name in PUBLISHED or codec_files(name))):
        shown = str(name)[:80]
        raise UserError(
            f"--codec {shown}: no such folder or published codec, and this file only names it: pass its folder"
        )


def codec_label(name: str) -> str:
    """Return ``name`` as part of a folder name: ``descript/dac_16khz`` becomes ``dac_16khz``."""
    return Path(name.rstrip("/")).name.removesuffix(".zip")


def _load(name: str, dtype: str) -> AbsCodec:
    if (PRETRAINED / f"{name}_codec").is_dir():
        from espnet_codecse.codec.mdct.codec import MDCTCodec

        return MDCTCodec(PRETRAINED / f"{name}_codec", name)
    if name == LYRA:
        return _lyra()
    path = Path(name).expanduser()
    if path.is_dir():
        return _from_folder(path, name, dtype)
    if path.is_file():
        if path.suffix != ".zip":
            raise UserError(f"{name}: a codec file must be a model-zoo zip; pass its folder instead")
        from espnet_codecse.codec.espnet_codec import EspnetCodec, find_experiment, unpack

        return EspnetCodec(*find_experiment(unpack(path, cache_dir())), name, dtype == "bfloat16")
    if name.startswith("espnet/"):
        from espnet_codecse.codec.espnet_codec import EspnetCodec, download

        return EspnetCodec(*download(name), name, dtype == "bfloat16")
    source = TRANSFORMERS_IDS.get(name, name)
    if source.count("/") != 1 or source.startswith((".", "/", "~")):
        known = ", ".join(["small", "small_lossless", *TRANSFORMERS_IDS, LYRA, *ESPNET_TAGS])
        raise UserError(f"--codec {name}: no such folder, zip or codec; known names: {known}")
    return _from_transformers(source, name, "encodec" if "encodec" in source.lower() else "dac", dtype)


def _lyra() -> AbsCodec:
    from espnet_codecse.codec.lyra.codec import ENCODER, LyraCodec

    folder = lyra_folder()
    if not (folder / ENCODER).is_file():
        where = "CODECSE_LYRA" if os.environ.get("CODECSE_LYRA") else "the cache; CODECSE_LYRA names another folder"
        raise UserError(
            f"{LYRA}: no {ENCODER} in {folder} ({where}); run tools/installers/lyra.sh, or pass --codec FOLDER with "
            "lyra/model_coeffs of https://github.com/google/lyra"
        )
    return LyraCodec(folder, LYRA)


def _from_folder(path: Path, name: str, dtype: str) -> AbsCodec:
    from espnet_codecse.codec.lyra.codec import ENCODER, LyraCodec

    if (path / ENCODER).is_file():
        return LyraCodec(path, name)
    if (path / "model.safetensors").is_file() and (path / "config.yaml").is_file():
        from espnet_codecse.codec.mdct.codec import MDCTCodec

        return MDCTCodec(path, name)
    if (path / "config.json").is_file():
        document = read_json(path / "config.json", "download it again")
        return _from_transformers(
            str(path), name, document.get("model_type") if isinstance(document, dict) else None, dtype
        )
    if (path / "config.yaml").is_file() or (path / "meta.yaml").is_file():
        from espnet_codecse.codec.espnet_codec import EspnetCodec, find_experiment

        return EspnetCodec(*find_experiment(path), name, dtype == "bfloat16")
    raise UserError(
        f"{path}: not a codec folder; it needs config.json (Hugging Face), config.yaml (ESPnet, small) or {ENCODER} "
        "(Lyra V2)"
    )


def _from_transformers(source: str, name: str, family: Any, dtype: str) -> AbsCodec:
    from espnet_codecse.codec.transformers_codec import DacCodec, EncodecCodec

    classes = {"dac": DacCodec, "encodec": EncodecCodec}
    if not isinstance(family, str) or family not in classes:
        raise UserError(f"{source}: model_type is '{family}'; supported: {', '.join(classes)}")
    bfloat16 = dtype == "bfloat16" or (dtype == "auto" and family == "dac")
    return classes[family](source, name, bfloat16)
