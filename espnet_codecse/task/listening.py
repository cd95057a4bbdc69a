"""A few validation utterances as audio and spectrogram in ESPnet's loggers, enhanced after each epoch."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from espnet2.torch_utils.device_funcs import to_device

from espnet_codecse.report.spectrogram import level_db

RANGE_DB = 70.0
SECONDS = 10.0  # of each utterance


@torch.no_grad()
def log_utterances(
    model: torch.nn.Module,
    iterator: Iterable[tuple[list[str], dict[str, torch.Tensor]]],
    epoch: int,
    device: str,
    writer: Any = None,
    wandb: Any = None,
) -> None:
    """Enhance utterances and log them, in the first epoch with mixture and references.

    Args:
        model: ESPnet's enhancement model, in evaluation mode; others are not enhanced, and nothing is logged.
        iterator: batches of one utterance.
        epoch: number of the epoch.
        device: torch device.
        writer: TensorBoard's ``SummaryWriter``; None: not used.
        wandb: the module, while a run is active; None: not used.
    """
    if not _decodes(model):
        logging.info(
            f"--log_audio: {type(model).__name__} gives no waveforms from the mixture alone; nothing is logged"
        )
        return
    for (name, *_), batch in iterator:
        batch = to_device({key: value for key, value in batch.items() if torch.is_tensor(value)}, device)
        mixture, lengths = batch["speech_mix"], batch["speech_mix_lengths"]
        sounds = {f"speaker{number}": speech for number, speech in enumerate(_enhanced(model, mixture, lengths), 1)}
        if epoch == 1:
            given = {"mixture": mixture, "reference": batch.get("speech_ref1")}
            sounds.update({key: value for key, value in given.items() if value is not None and value.dim() == 2})
        rate = _sample_rate(model)
        for kind, speech in sounds.items():
            samples = speech[0, : round(SECONDS * rate)].float().cpu().numpy()
            _log(f"{name}/{kind}", samples, rate, epoch, writer, wandb)


def _decodes(model: Any) -> bool:
    """Whether encoder, separator and decoder give waveforms: not codes, nor with a teacher's features, nor samples."""
    # ESPnet's diffusion model inherits a separator that it never builds.
    if any(getattr(model, name, None) is None for name in ("encoder", "separator", "decoder")):
        return False
    return not getattr(model.separator, "predicted_codebooks", 0) and getattr(model, "given", "none") == "none"


def _enhanced(model: Any, mixture: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
    """Return a waveform ``(batch, sample)`` for each speaker."""
    features, num_frames = model.encoder(mixture, lengths)
    estimates = model.separator(features, num_frames, {})[0]
    # Of stored embeddings, the lengths are frames.
    num_samples = lengths if mixture.dim() == 2 else lengths * model.encoder.codec(mixture.device).hop
    return [model.decoder(estimate, num_samples)[0] for estimate in estimates]


def _sample_rate(model: Any) -> int:
    codec = getattr(model.encoder, "codec", None)
    return codec("cpu").sample_rate if codec is not None else 16000


def _log(name: str, samples: np.ndarray, rate: int, epoch: int, writer: Any, wandb: Any) -> None:
    samples = samples / max(1.0, float(np.abs(samples).max()))  # loggers clip
    level = level_db(samples, rate)
    picture = np.clip(1 + (level - level.max()) / RANGE_DB, 0, 1)[::-1]
    if writer is not None:
        writer.add_audio(name, torch.from_numpy(samples.copy())[None], epoch, sample_rate=rate)
        writer.add_image(f"{name}/spectrogram", picture[None].astype(np.float32), epoch)
    if wandb is not None:
        sound, image = wandb.Audio(samples, sample_rate=rate), wandb.Image(picture)
        wandb.log({f"audio/{name}": sound, f"spectrogram/{name}": image})
