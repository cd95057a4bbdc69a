"""ESPnet's codec task with the small codec among its choices."""

from espnet2.tasks.gan_codec import GANCodecTask

from espnet_codecse.task.register import register_codecs
from espnet_codecse.task.trainer import CrashSafeGANTrainer

register_codecs()


class CodecTask(GANCodecTask):
    """:class:`espnet2.tasks.gan_codec.GANCodecTask` that also trains ``--codec hybrid``."""

    trainer = CrashSafeGANTrainer
