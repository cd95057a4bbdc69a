"""ESPnet's codec task with the small codec among its choices."""

from espnet2.tasks.gan_codec import GANCodecTask

from espnet_codecse.task.trainer import CrashSafeGANTrainer


class CodecTask(GANCodecTask):
    """:class:`espnet2.tasks.gan_codec.GANCodecTask` that also trains ``--codec mdct``."""

    trainer = CrashSafeGANTrainer
