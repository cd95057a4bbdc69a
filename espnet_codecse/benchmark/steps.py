"""Steps of a training on noise: the model, losses and optimisers of a configuration, without data and logging."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_codecse.benchmark.timing import not_reading
from espnet_codecse.length_mask import HOST_LENGTHS
from espnet_codecse.precision import autocast

Batch = dict[str, Any]  # with the names of ESPnet's collation
WINDOWED = ("fuse", "fuse_vae", "sgmse")  # model types that are trained on windows of one length


class Training:
    """The parts of a training.

    Args:
        configuration: configuration written by ``codecse config``.

    Attributes:
        model: on the CPU until :meth:`to` moves it.
        sample_rate: Hz.
        cycle: number of steps after which they repeat; with discriminators, some steps may leave them out.
    """

    def __init__(self, configuration: dict[str, Any]):
        from espnet_codecse.task.loading import quiet_imports
        from espnet_codecse.task.model_types import model_type_name, model_type_of

        with quiet_imports():
            self.task = model_type_of(configuration).load("task")
        self.kind, self.configuration = model_type_name(configuration), configuration
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "train.yaml"
            config.write_text(yaml.safe_dump(configuration))
            self.args: argparse.Namespace = self.task.get_parser().parse_args(
                ["--config", str(config), "--output_dir", folder]
            )
        self.args.embedding_stats = None
        self.model = self.task.build_model(self.args).train()
        if self.kind == "fuse":
            self.model.vae.num_batches.fill_(1)  # as after the first step
        self.device = torch.device("cpu")
        self.cycle = self.model.schedule.discriminator_interval if self.kind == "dual_branch" else 1
        if hasattr(getattr(self.model, "encoder", None), "codec"):
            self.sample_rate = self.model.encoder.codec(self.device).sample_rate
        elif self.kind == "dual_branch":
            self.sample_rate = self.model.generator.coder.sample_rate
        else:
            self.sample_rate = int(getattr(self.args, "sample_rate", 0) or 16000)

    def to(self, device: str) -> None:
        """Move the model, and the batches that follow."""
        self.device = torch.device(device)
        self.model.to(self.device)

    def batch(self, batch_size: int, seconds: float, stored: bool = False) -> tuple[Batch, float]:
        """Return a batch of noise and the seconds of audio in it.

        Args:
            batch_size: number of mixtures.
            seconds: length of a mixture; systems on windows have their own.
            stored: embeddings instead of waveforms, as far as the losses allow it.
        """
        from espnet_codecse.task.configuration import needs_waveform_reference

        num_samples = self._window_samples() or round(seconds * self.sample_rate)
        conf = self.configuration.get("separator_conf") or {}
        num_spk = self.model.num_spk if self.kind == "embedding" else int(conf.get("num_spk", 1))
        names = ["speech_mix", *(f"speech_ref{index + 1}" for index in range(num_spk))]
        if self.kind == "dual_branch" and not self.model.supervised:
            names = ["speech_mix", "clean_prior", "noise_prior"]
        waveforms = {name: 0.05 * torch.randn(batch_size, num_samples, device=self.device) for name in names}
        lengths = torch.full((batch_size,), num_samples)
        batch: Batch = {}
        for index, (name, waveform) in enumerate(waveforms.items()):
            value, own_lengths = waveform, lengths
            if stored and not (index and needs_waveform_reference(self.configuration)):
                value, own_lengths = self.model.encoder.codec(self.device).encode(waveform, lengths)
            batch[name], batch[f"{name}_lengths"] = value, own_lengths.to(self.device)
            batch[name + HOST_LENGTHS] = own_lengths.tolist()
        if self.kind in ("fuse", "fuse_vae"):
            batch["peak"] = batch["speech_mix"].abs().amax(1, keepdim=True)
        return batch, batch_size * num_samples / self.sample_rate

    def _window_samples(self) -> int:
        if self.kind not in WINDOWED:
            return 0
        frames = self.args.train_frames or self.args.window_frames
        if self.kind == "sgmse":
            return (frames - 1) * self.args.encoder_conf["hop_length"]
        return self.model.spectrogram.num_samples(frames)

    def gradients(self, batch: Batch, dtype: torch.dtype = torch.float32) -> None:
        """Run the forward and backward passes of a cycle of steps; ``dtype`` is that of autocast (``use_amp``)."""
        for _ in range(self.cycle):
            for turn in self._turns():
                self._backward(batch, dtype, turn)

    def step(self, batch: Batch, dtype: torch.dtype = torch.float32) -> Callable[[], float]:
        """Return a function that takes a step, for :func:`espnet_codecse.benchmark.timing.measure_in_turns`."""
        optimizers = self.task.build_optimizers(self.args, self.model)

        def take() -> None:
            for turn, optimizer in zip(self._turns(), optimizers):
                self.model.zero_grad(set_to_none=True)
                self._backward(batch, dtype, turn)
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.grad_clip)
                optimizer.step()

        return not_reading(take)

    def _turns(self) -> list[dict[str, bool]]:
        return [{"forward_generator": turn} for turn in (True, False)] if self.task.num_optimizers == 2 else [{}]

    def _backward(self, batch: Batch, dtype: torch.dtype, turn: dict[str, bool]) -> None:
        with autocast(self.device, dtype):
            result = self.model(**turn, **batch)
        loss = result["loss"] if isinstance(result, dict) else result[0]
        if loss.requires_grad:
            loss.backward()
