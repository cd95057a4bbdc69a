"""Registration of this package's classes in ESPnet's tables of choices."""


def _add(choices, name: str, cls: type) -> None:
    """Add ``name`` to an ESPnet ClassChoices; adding the same class again has no effect.

    Raises:
        ValueError: the name is taken by another class.
    """
    known = choices.classes.get(name)
    if known is not None and known is not cls:
        raise ValueError(f"ESPnet's {choices.name} choice '{name}' is already {known.__module__}.{known.__name__}")
    choices.classes[name] = cls


def register_schedulers() -> None:
    """Register schedules of the learning rate with all of ESPnet's tasks."""
    from espnet2.tasks import abs_task

    from espnet_codecse.task.scheduler import DelayedPlateau

    known = abs_task.scheduler_classes.setdefault("delayed_plateau", DelayedPlateau)
    if known is not DelayedPlateau:
        raise ValueError(f"ESPnet's scheduler 'delayed_plateau' is already {known.__module__}.{known.__name__}")


def register_codecs() -> None:
    """Register ``--codec mdct`` with ESPnet's codec task."""
    from espnet2.tasks import gan_codec

    from espnet_codecse.codec.mdct.gan import MDCTGANCodec

    _add(gan_codec.codec_choices, "mdct", MDCTGANCodec)


def register_enhancement() -> None:
    """Register codec encoder and decoder, separators and losses with ESPnet's enhancement task."""
    from espnet2.tasks import enh

    from espnet_codecse.causal.separator import SEPARATORS as CAUSAL_SEPARATORS
    from espnet_codecse.enh.decoder.codec_decoder import CodecDecoder
    from espnet_codecse.enh.encoder.choices import ENCODERS
    from espnet_codecse.enh.loss.criterions.code_cross_entropy import CodeCrossEntropy
    from espnet_codecse.enh.loss.criterions.compressed_spectrum import CompressedSpectrumLoss
    from espnet_codecse.enh.loss.criterions.dnsmos import DNSMOSLoss
    from espnet_codecse.enh.loss.criterions.embedding import EmbeddingMSE
    from espnet_codecse.enh.loss.criterions.pesq import PESQLoss
    from espnet_codecse.enh.loss.criterions.residual_noise import ResidualNoiseLoss
    from espnet_codecse.enh.loss.wrappers.pit_threshold import ThresholdPITSolver
    from espnet_codecse.enh.separator.choices import SEPARATORS, separator_class
    from espnet_codecse.fuse.espnet_diffusion import FuseDiffusion
    from espnet_codecse.fuse.score_average import AveragedScoreModel
    from espnet_codecse.task.old_names import CRITERIONS

    for name, encoder in ENCODERS.items():
        _add(enh.encoder_choices, name, encoder)
    _add(enh.decoder_choices, "codec", CodecDecoder)
    for name in SEPARATORS:
        _add(enh.separator_choices, name, separator_class(name))
    for name, separator in CAUSAL_SEPARATORS.items():
        _add(enh.separator_choices, name, separator)
    _add(enh.diffusion_choices, "fuse", FuseDiffusion)
    _add(enh.diffusion_choices, "sgmse_average", AveragedScoreModel)
    _add(enh.loss_wrapper_choices, "pit_threshold", ThresholdPITSolver)
    _add(enh.criterion_choices, "embedding_mse", EmbeddingMSE)
    _add(enh.criterion_choices, "code_cross_entropy", CodeCrossEntropy)
    _add(enh.criterion_choices, "compressed_spectrum", CompressedSpectrumLoss)
    # Under its old name too: ESPnet's own commands read packs as they are.
    for name in ("pesq", *(old for old, new in CRITERIONS.items() if new == "pesq")):
        _add(enh.criterion_choices, name, PESQLoss)
    _add(enh.criterion_choices, "dnsmos", DNSMOSLoss)
    _add(enh.criterion_choices, "residual_noise", ResidualNoiseLoss)
