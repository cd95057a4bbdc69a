"""Cost of Codecformer-EL, Codecformer and SepFormer on audio of the same length, as in the paper on Codecformer-EL."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch

from espnet_codecse.benchmark.macs import count_macs, count_module_macs, num_parameters
from espnet_codecse.benchmark.sepformer import SAMPLE_RATE, Sepformer
from espnet_codecse.benchmark.timing import not_reading
from espnet_codecse.codec import load_codec
from espnet_codecse.embedding.ark import read_ark, write_ark
from espnet_codecse.enh.decoder.codec_decoder import CodecDecoder
from espnet_codecse.enh.encoder.codec_encoder import CodecEncoder
from espnet_codecse.enh.loss.criterions.embedding import EmbeddingMSE
from espnet_codecse.enh.model import EmbeddingEnhancementModel
from espnet_codecse.enh.separator.codecformer import CodecformerSeparator

SYSTEMS = ("codecformer_el_stored", "codecformer_el_on_the_fly", "codecformer", "sepformer")
NUM_SPK = 2
Batch = dict[str, torch.Tensor]  # with the names of ESPnet's collation


class Setting(NamedTuple):
    """Input of every system: ``batch_size`` mixtures of ``seconds``; ``codec`` is a name or folder.

    With a loss on waveforms, the gradients of ``accum_grad`` parts of the batch add up, to save memory.
    """

    codec: str
    device: str
    batch_size: int
    seconds: float
    accum_grad: int = 1


class Macs(NamedTuple):
    """Trainable parameters, MACs of all products for one mixture, and MACs as counted by thop."""

    parameters: int
    counted: int
    as_thop: int


def codecformer_macs(num_channels: int, num_frames: int) -> Macs:
    """Return the cost of Codecformer's separator for an embedding of ``num_frames`` frames."""
    separator = CodecformerSeparator(num_channels, NUM_SPK)
    embedding, lengths = torch.zeros(1, num_frames, num_channels), torch.tensor([num_frames])
    return _macs(separator, lambda: separator(embedding, lengths))


def codec_macs(codec_name: str) -> int:
    """Return the MACs of encoding a mixture and decoding its estimates per additional second of audio.

    This excludes the padding at the ends of a recording.
    """
    codec = load_codec(codec_name)

    def count(num_frames: int) -> int:
        embedding, lengths = torch.zeros(1, num_frames, codec.dim), torch.tensor([num_frames])
        num_samples = num_frames * codec.hop
        encoding = count_macs(lambda: codec.encode(torch.zeros(1, num_samples), torch.tensor([num_samples])))
        return encoding + NUM_SPK * count_macs(lambda: codec.decode(embedding, lengths, num_samples))

    num_frames = codec.num_frames(codec.sample_rate)
    return count(2 * num_frames) - count(num_frames)


def sepformer_macs(num_samples: int) -> Macs:
    """Return the cost of SepFormer for a mixture of ``num_samples`` samples."""
    model = Sepformer(NUM_SPK)
    return _macs(model, lambda: model(torch.zeros(1, num_samples)))


def _macs(model: torch.nn.Module, function: Callable[[], object]) -> Macs:
    return Macs(num_parameters(model), count_macs(function), count_module_macs(model, function))


def training_step(system: str, setting: Setting, folder: Path) -> Callable[[], float]:
    """Return a function that runs one training step of ``system`` and returns the seconds spent waiting for data.

    Args:
        system: one of :data:`SYSTEMS`.
        setting: its input.
        folder: folder for stored embeddings.
    """
    if system == "sepformer":
        return _sepformer_step(setting)
    codec = load_codec(setting.codec, setting.device)
    num_samples = round(setting.seconds * codec.sample_rate)
    speech, lengths = _speech(setting, num_samples), torch.full((setting.batch_size,), num_samples)
    model = _model(setting, codec, "waveform" if system == "codecformer" else "embedding")
    optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-4)
    num_parts = setting.accum_grad if system == "codecformer" else 1

    def train(batch: Batch) -> None:
        _update(model, optimizer, _parts(batch, num_parts), lambda part: model(**part)[0])

    if system != "codecformer_el_stored":
        return not_reading(partial(train, _with_lengths(speech, lengths)))
    read = _reader(codec, speech, lengths, folder)

    def step() -> float:
        started = perf_counter()
        batch = read()
        reading = perf_counter() - started
        train(batch)
        return reading

    return step


def _update(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, parts: list[Batch], loss: Callable[[Batch], torch.Tensor]
) -> None:
    """Take one step of the optimiser on the mean loss of ``parts``."""
    optimizer.zero_grad(set_to_none=True)
    for part in parts:
        (loss(part) / len(parts)).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()


def _parts(batch: Batch, number: int) -> list[Batch]:
    """Divide a batch into ``number`` batches, or as many as it has items."""
    pieces = [value.chunk(number) for value in batch.values()]
    return [dict(zip(batch, values)) for values in zip(*pieces)]


class StoredBatches(torch.utils.data.IterableDataset[Batch]):
    """Yields what ``read`` returns, again and again."""

    def __init__(self, read: Callable[[], Batch]):
        self._read = read

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self._read()


def _reader(codec, speech: Batch, lengths: torch.Tensor, folder: Path) -> Callable[[], Batch]:
    """Store the embeddings of ``speech`` as in stage 3, and return a function that waits for a worker's next batch."""
    ark, items = folder / "embeddings.ark", []
    for name, value in speech.items():
        embeddings, frame_lengths = codec.encode(value, lengths)
        items += [(f"{name}-{index}", embedding.cpu().numpy()) for index, embedding in enumerate(embeddings)]
    offsets = write_ark(ark, items, 3)
    device = next(iter(speech.values())).device

    def read() -> Batch:
        embeddings = {
            name: [torch.from_numpy(read_ark(f"{ark}:{offsets[f'{name}-{i}']}")) for i in range(len(lengths))]
            for name in speech
        }
        return _with_lengths({name: torch.stack(value) for name, value in embeddings.items()}, frame_lengths.cpu())

    batches = iter(torch.utils.data.DataLoader(StoredBatches(read), batch_size=None, num_workers=1))
    return lambda: {name: value.to(device) for name, value in next(batches).items()}


def _with_lengths(batch: Batch, lengths: torch.Tensor) -> Batch:
    return {**batch, **{f"{name}_lengths": lengths for name in batch}}


def _speech(setting: Setting, num_samples: int) -> Batch:
    references = [0.1 * torch.randn(setting.batch_size, num_samples, device=setting.device) for _ in range(NUM_SPK)]
    names = {f"speech_ref{index + 1}": reference for index, reference in enumerate(references)}
    return {"speech_mix": sum(references), **names}


def _model(setting: Setting, codec, loss: str) -> EmbeddingEnhancementModel:
    from espnet2.enh.loss.criterions.time_domain import SISNRLoss
    from espnet2.enh.loss.wrappers.pit_solver import PITSolver

    from espnet_codecse.enh.loss.wrappers.pit_threshold import ThresholdPITSolver

    wrapper = PITSolver(EmbeddingMSE()) if loss == "embedding" else ThresholdPITSolver(SISNRLoss(eps=1e-7))
    model = EmbeddingEnhancementModel(
        encoder=CodecEncoder(setting.codec),
        separator=CodecformerSeparator(codec.dim, NUM_SPK, codec.activation),
        decoder=CodecDecoder(setting.codec),
        mask_module=None,
        loss_wrappers=[wrapper],
    )
    return model.to(setting.device).train()


def _sepformer_step(setting: Setting) -> Callable[[], float]:
    from espnet2.enh.loss.criterions.time_domain import SISNRLoss

    from espnet_codecse.enh.loss.wrappers.pit_threshold import ThresholdPITSolver

    model = Sepformer(NUM_SPK).to(setting.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.5e-4)
    parts = _parts(_speech(setting, round(setting.seconds * SAMPLE_RATE)), setting.accum_grad)
    loss = ThresholdPITSolver(SISNRLoss(eps=1e-7))

    def loss_of(part: Batch) -> torch.Tensor:
        mixture, *speech = part.values()
        return loss(speech, model(mixture))[0]

    return not_reading(partial(_update, model, optimizer, parts, loss_of))
