"""``codec.yaml``: which codec made the embeddings of a folder, and how they are stored."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from espnet_codecse import __version__
from espnet_codecse.documents import read_yaml
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import atomic_path
from espnet_codecse.level import LevelRule

LAYERS = ("continuous", "quantized", "codes")
COMPRESSIONS = {"none": None, "3": 3}  # kaldiio's method 3: two bytes per value, range of each matrix


@dataclass(frozen=True)
class EmbeddingDescription:
    """Identity and layout of stored embeddings.

    Attributes:
        codec: what ``--codec`` was given.
        fingerprint: hash of the codec's configuration and weights.
        sample_rate: rate of the codec in Hz.
        hop: samples per frame.
        dim: channels of an embedding.
        layer: ``continuous`` (before the quantiser), ``quantized`` (after it) or ``codes``.
        compression: ``3`` (two bytes) or ``none`` (float32); ``none`` for codes, which are int32.
        version: version of this package that wrote them.
        num_codebooks: how many of the codec's first codebooks were used; None: all.
        peak, reference_peak: the :class:`LevelRule` of the recordings; None: encoded as they were.
        codec_dtype: data type of the codec's matrix products, which is not part of its identity.
    """

    codec: str
    fingerprint: str
    sample_rate: int
    hop: int
    dim: int
    layer: str
    compression: str
    version: str
    num_codebooks: int | None = None
    peak: float | None = None
    reference_peak: float | None = None
    codec_dtype: str = "float32"

    @classmethod
    def of(
        cls, codec: Any, layer: str, compression: str, num_codebooks: int | None = None, levels: LevelRule | None = None
    ) -> "EmbeddingDescription":
        """Describe what ``codec`` (the contract of ``espnet_codecse.codec``) is going to write.

        Raises:
            UserError: unknown layer or compression, or a number of codebooks for a layer without them.
        """
        if layer not in LAYERS:
            raise UserError(f"--layer: unknown layer '{layer}'; known: {', '.join(LAYERS)}")
        if compression not in COMPRESSIONS:
            raise UserError(f"--compression: unknown compression '{compression}'; known: {', '.join(COMPRESSIONS)}")
        if num_codebooks is not None and layer == "continuous":
            raise UserError("--num_codebooks: the layer 'continuous' lies before the quantiser; leave it out")
        return cls(
            codec.name,
            codec.fingerprint,
            codec.sample_rate,
            codec.hop,
            codec.dim,
            layer,
            "none" if layer == "codes" else compression,
            __version__,
            num_codebooks,
            None if levels is None else levels.peak,
            None if levels is None else levels.reference_peak,
            str(getattr(codec, "product_dtype", "float32")).removeprefix("torch."),
        )

    @property
    def levels(self) -> LevelRule | None:
        """The levels of the recordings; None: as they were."""
        return LevelRule.of(self.peak, self.reference_peak)

    @property
    def bytes_per_second(self) -> float:
        """Size of a second's embedding; codes, which are smaller, count as an embedding does."""
        return self.sample_rate / self.hop * self.dim * (2 if self.compression == "3" else 4)

    def fields(self) -> dict[str, Any]:
        """Return all attributes that say something, as they are stored."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def write_description(folder: Path, description: EmbeddingDescription) -> None:
    """Write ``folder/codec.yaml`` atomically."""
    import yaml

    with atomic_path(Path(folder) / "codec.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(description.fields(), sort_keys=False), encoding="utf-8")


def read_description(folder: Path) -> EmbeddingDescription:
    """Read ``folder/codec.yaml``.

    Raises:
        UserError: it is missing or damaged.
    """
    path = Path(folder) / "codec.yaml"
    document = read_yaml(path, "extract the embeddings first (codecse extract, stage 3)")
    values = {field.name: document.get(field.name, field.default) for field in fields(EmbeddingDescription)}
    numbers = [values[name] for name in ("sample_rate", "hop", "dim")]
    numbers += [] if values["num_codebooks"] is None else [values["num_codebooks"]]
    texts = [values[name] for name in ("codec", "fingerprint", "layer", "compression", "version", "codec_dtype")]
    plain = all(type(number) is int and number > 0 for number in numbers) and all(type(t) is str for t in texts)
    try:
        LevelRule.of(values["peak"], values["reference_peak"])
    except (TypeError, ValueError):
        plain = False
    if not plain or document.keys() - values.keys() or values["layer"] not in LAYERS:
        raise UserError(f"{path}: not a codec description of this version; extract the embeddings again")
    return EmbeddingDescription(**values)


def check_levels(folder: Path, levels: LevelRule | None) -> None:
    """Compare the levels at which a folder's recordings were encoded with those of a training.

    Raises:
        UserError: they differ.
    """
    stored = read_description(folder).levels
    if stored != levels:
        made, wanted = (" ".join(rule.options()) if rule else "recordings as they are" for rule in (stored, levels))
        raise UserError(
            f"{Path(folder) / 'codec.yaml'}: the embeddings were made with another level than the training needs "
            f"({made} instead of {wanted}); extract them again to another folder (codecse extract, stages 3 and 4)"
        )


def check_codec(folder: Path, codec_or_fingerprint: str | Any) -> EmbeddingDescription:
    """Return the description of a folder after comparing it with the codec that is going to be used.

    Args:
        folder: folder of embeddings.
        codec_or_fingerprint: a codec, or the fingerprint of one.

    Raises:
        UserError: the embeddings come from another codec; both fingerprints are named.
    """
    description = read_description(folder)
    wanted = getattr(codec_or_fingerprint, "fingerprint", codec_or_fingerprint)
    if description.fingerprint != wanted:
        name = getattr(codec_or_fingerprint, "name", "the given codec")
        raise UserError(
            f"{Path(folder) / 'codec.yaml'}: the embeddings come from codec '{description.codec}' with fingerprint "
            f"{description.fingerprint}, but '{name}' has {wanted}; extract them again or use the first codec"
        )
    return description
