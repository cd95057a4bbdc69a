"""SoundStream, EnCodec and DAC of ESPnet-Codec, from an experiment folder, a model-zoo zip or a model-zoo tag."""

import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from espnet_codecse.building import building
from espnet_codecse.checkpoint import load_checkpoint, load_strictly
from espnet_codecse.codec.acceleration import fold_weight_norm, use_bfloat16
from espnet_codecse.codec.conv_codec import ConvCodec, fingerprint_of
from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import make_folder
from espnet_codecse.zip_limits import check_unpacked_size

MAX_RATE = 384_000  # Hz
SUPPORTED = ("soundstream", "encodec", "dac")


class EspnetCodec(ConvCodec):
    """A codec trained by ESPnet's codec1 recipe.

    Args:
        config_file: ``config.yaml`` of the experiment.
        model_file: checkpoint of the experiment; its keys start with ``codec.``.
        name: value of ``--codec``.
        bfloat16: compute products in bfloat16; see :mod:`espnet_codecse.codec.acceleration`.

    Raises:
        UserError: the files are missing, belong to another task, or do not match each other.
    """

    def __init__(self, config_file: Path, model_file: Path, name: str, bfloat16: bool = False):
        super().__init__()
        config = _read_config(config_file)
        state = _generator_state(model_file)
        self.generator = _build_generator(config, config_file)
        load_strictly(self.generator, state, model_file, "config.yaml")
        params = {**config["codec_conf"].get("generator_params", {})}
        self.name = name
        self.sample_rate = int(config["codec_conf"].get("sampling_rate", 24000))
        self.hop = int(self.generator.encoder.hop_length)
        self.dim = int(self.generator.encoder.dimension)
        self.codebook_size = int(self.generator.quantizer.bins)
        self.activation = "snake" if params.get("encdec_activation", "ELU").lower().startswith("snake") else "elu"
        self.fingerprint = fingerprint_of({"codec": config["codec"], "codec_conf": config["codec_conf"]}, state)
        fold_weight_norm(self.generator)
        if bfloat16:
            self.product_dtype = torch.bfloat16
            use_bfloat16(self.generator.encoder, self.generator.decoder)
        self._freeze(list(self.generator.encoder.model), list(self.generator.decoder.model))

    def _quantize(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        quantizer = self.generator.quantizer
        codes = quantizer.encode(embedding, self.generator.frame_rate, self.generator.target_bandwidths[-1])
        return quantizer.decode(codes), codes.transpose(0, 1)

    def _dequantize(self, codes: torch.Tensor) -> torch.Tensor:
        return self.generator.quantizer.decode(codes.transpose(0, 1))


def find_experiment(folder: Path) -> tuple[Path, Path]:
    """Return ``(config file, model file)`` of an experiment folder or an unpacked model-zoo archive.

    If there is a ``meta.yaml``, it names the files. Otherwise, the averaged checkpoint, the best one, or that of the
    last epoch is used, in this order.

    Raises:
        UserError: the folder has no configuration or no checkpoint.
    """
    meta = folder / "meta.yaml"
    if meta.is_file():
        document = read_yaml(meta, "not a packed codec")
        try:
            names = (document["yaml_files"]["train_config"], document["files"]["model_file"])
            return _inside(folder, names[0]), _inside(folder, names[1])
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{meta}: names no train_config and model_file inside its folder; not a packed codec"
            ) from None
    config = folder / "config.yaml"
    if not config.is_file():
        raise UserError(f"{config}: missing; an ESPnet experiment folder holds config.yaml and a checkpoint")
    candidates = sorted(folder.glob("*.ave*.pth")) + sorted(folder.glob("*.best.pth"))
    epochs = sorted(folder.glob("[0-9]*epoch.pth"), key=lambda path: int(path.name.split("epoch")[0]))
    candidates += epochs[::-1] + sorted(folder.glob("latest.pth"))
    if not candidates:
        raise UserError(f"{folder}: no checkpoint (*.best.pth, *epoch.pth) beside config.yaml; train or copy one")
    return config, candidates[0]


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(name)
    return path


def unpack(archive: Path, cache: Path) -> Path:
    """Unpack a model-zoo zip once below ``cache``, and return the folder.

    Raises:
        UserError: the archive is damaged, expands to far more than its size, or would write outside its folder.
    """
    target = cache / f"{archive.stem}_{archive.stat().st_size}_{int(archive.stat().st_mtime)}"
    if target.is_dir():
        return target
    make_folder(cache)
    # Several processes may start at the same time. Each unpacks to its own folder, and the first to finish is kept.
    with tempfile.TemporaryDirectory(prefix=".unpack.", dir=cache) as temporary:
        folder = Path(temporary) / "content"
        try:
            with zipfile.ZipFile(archive) as content:
                check_unpacked_size(content.infolist(), archive.stat().st_size, str(archive))
                for member in content.infolist():
                    path = (folder / member.filename).resolve()
                    linked = (member.external_attr >> 16) & 0o170000 == 0o120000
                    if linked or not path.is_relative_to(folder.resolve()):
                        raise UserError(f"{archive}: member '{member.filename}' points outside the archive; refused")
                content.extractall(folder)
        except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, ValueError) as error:
            raise UserError(f"{archive}: not a readable zip ({error}); copy or download it again") from None
        try:
            folder.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target


def download(tag: str) -> tuple[Path, Path]:
    """Download ``tag`` with espnet_model_zoo, and return ``(config file, model file)``.

    Raises:
        UserError: the hub is unreachable or does not have the model.
    """
    try:
        from espnet_model_zoo.downloader import ModelDownloader
    except ImportError:
        raise UserError(f"{tag}: needs espnet_model_zoo; pip install espnet_model_zoo, or pass --codec a zip") from None
    cache = "of espnet_model_zoo"
    try:
        downloader = ModelDownloader()
        cache = str(downloader.cachedir)
        files: dict[str, Any] = downloader.download_and_unpack(tag)
    except Exception as error:  # the downloader does not wrap exceptions of network libraries
        raise UserError(
            f"{tag}: not in the model zoo's cache {cache} and not to be downloaded "
            f"({type(error).__name__}); pass --codec with a downloaded zip or an experiment folder"
        ) from None
    model_file = files["model_file"]
    return Path(files["train_config"]), Path(model_file[0] if isinstance(model_file, list) else model_file)


def _read_config(path: Path) -> dict[str, Any]:
    config = read_yaml(path, "not the configuration of a codec training")
    found = config.get("codec")
    if not isinstance(found, str) or found not in SUPPORTED:
        raise UserError(f"{path}: codec is '{str(found)[:40]}'; supported ESPnet codecs: {', '.join(SUPPORTED)}")
    conf = config.get("codec_conf")
    if not isinstance(conf, dict) or not isinstance(conf.get("generator_params", {}), dict):
        raise UserError(f"{path}: has no codec_conf; not a codec training's configuration")
    rate = conf.get("sampling_rate", 24000)
    if type(rate) is not int or not 0 < rate <= MAX_RATE:
        raise UserError(f"{path}: sampling_rate is '{str(rate)[:40]}', not a rate in Hz; copy the file again")
    return config


def _build_generator(config: dict[str, Any], config_file: Path) -> torch.nn.Module:
    # Use ESPnet's classes but not its task, which would also build the unused discriminators, and double the size.
    from espnet2.gan_codec.dac.dac import DACGenerator
    from espnet2.gan_codec.soundstream.soundstream import SoundStreamGenerator

    classes = {"dac": DACGenerator, "encodec": SoundStreamGenerator, "soundstream": SoundStreamGenerator}
    conf = config["codec_conf"]
    params = {**conf.get("generator_params", {}), "sample_rate": conf.get("sampling_rate", 24000)}
    with building(f"{config_file}: no codec can be built", "are its generator_params this ESPnet's?"):
        return classes[config["codec"]](**params)


def _generator_state(model_file: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(model_file)
    if not isinstance(state, dict):
        raise UserError(f"{model_file}: holds no named weights; not an ESPnet codec checkpoint")
    state = state["model"] if isinstance(state.get("model"), dict) else state
    prefix = "codec.generator."
    found = {key[len(prefix) :]: value for key, value in state.items() if str(key).startswith(prefix)}
    if not found:
        raise UserError(f"{model_file}: no keys under '{prefix}'; not an ESPnet codec checkpoint")
    return found
