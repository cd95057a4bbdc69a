"""The ESPnet model: losses of the generator and the discriminators, with references or with unpaired priors."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from espnet2.train.abs_gan_espnet_model import AbsGANESPnetModel

from espnet_codecse.dual_branch.adversaries import Pair, Schedule, discriminator_losses, generator_losses
from espnet_codecse.dual_branch.branches import SIGNALS, Branches, branch_statistics
from espnet_codecse.dual_branch.discriminator import SpectrumDiscriminators
from espnet_codecse.dual_branch.generator import DualBranchGenerator
from espnet_codecse.dual_branch.losses import AdversarialLoss, ReconstructionLoss, balanced_loss
from espnet_codecse.errors import UserError
from espnet_codecse.length_mask import on_device, on_host
from espnet_codecse.precision import DTYPES, autocast, network_dtype
from espnet_codecse.step_result import step_result

WEIGHTS = (*SIGNALS, *(f"adversarial_{name}" for name in SIGNALS), "feature_matching", "commitment", "codebook")
SELECTIONS = ("reconstruction", "latest")


class Batch(NamedTuple):
    """Signals ``(batch, sample)`` at the generator's level, None if unknown, and lengths ``(batch,)``, on the host."""

    speech: torch.Tensor
    lengths: torch.Tensor
    clean: torch.Tensor | None
    noise: torch.Tensor | None
    priors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]


class DualBranchModel(AbsGANESPnetModel):
    """Generator, discriminators and losses (Klement & Burget, 2025, sections 2 and 3).

    In supervised training, the real signals of the discriminators are the references of the batch. In unsupervised
    training, they are unpaired recordings of clean speech and noise, and the input itself. An ensemble exists only if
    its weight is not 0.

    Args:
        generator: the generator, trained by the first optimiser.
        discriminators: the discriminators, trained by the second optimiser.
        reconstruction: loss of a waveform.
        schedule: schedule of the discriminators.
        weights: weights of ``clean``, ``noise`` and ``noisy`` (reconstruction losses of the branches and of their sum),
            ``adversarial_clean``, ``adversarial_noise``, ``adversarial_noisy``, ``feature_matching``, ``commitment``
            and ``codebook``; missing weights are 0.
        supervised: use the references of the input.
        prior_level_db: ranges from which the levels of unpaired signals are drawn, dB relative to full scale (RMS).
        balance_gradients: interpret weights as shares of the gradient at the branches.
        dtype: data type of the matrix products of transformers and discriminators: float32, bfloat16,
            or auto: bfloat16 on a device with hardware for it. With ``use_amp``, it is that of autocast.
        micro_batch_size: number of items that are processed at once, to save memory; None: all.
        selection: validation loss: ``reconstruction``: the losses that are not adversarial; ``latest``: a value that
            falls with every step, for trainings whose reconstruction loss does not reflect the enhancement.

    Raises:
        UserError: a weight, the selection or the dtype is unknown.
    """

    # Not needed for inference, and therefore not part of packs.
    TRAINING_ONLY = ("discriminators", "schedule")

    def __init__(
        self,
        generator: DualBranchGenerator,
        discriminators: SpectrumDiscriminators,
        reconstruction: ReconstructionLoss,
        schedule: Schedule,
        weights: Mapping[str, float],
        supervised: bool = True,
        prior_level_db: Mapping[str, Sequence[float]] | None = None,
        balance_gradients: bool = False,
        dtype: str = "float32",
        micro_batch_size: int | None = None,
        selection: str = "reconstruction",
    ):
        super().__init__()
        check_weights(weights)
        if selection not in SELECTIONS or dtype not in DTYPES:
            raise UserError(
                f"model_conf: selection is one of {', '.join(SELECTIONS)} and dtype one of {', '.join(DTYPES)}"
            )
        self.generator, self.discriminators, self.schedule = generator, discriminators, schedule
        self.reconstruction, self.adversarial = reconstruction, AdversarialLoss()
        self.weights = {name: float(weights.get(name, 0.0)) for name in WEIGHTS}
        self.supervised, self.balance_gradients, self.selection = supervised, balance_gradients, selection
        self.prior_level_db = {"clean": (-26.0, -26.0), "noise": (-36.0, -26.0), **(prior_level_db or {})}
        self.dtype, self.micro_batch_size = dtype, micro_batch_size
        self._kept: list[dict[str, Pair]] = []  # from the generator's turn, for the discriminators' turn
        self._chosen: list[int] = []

    def inference_state_dict(self) -> dict[str, torch.Tensor]:
        """Return the weights that inference needs: those of the generator, with their names in a checkpoint."""
        return {key: value for key, value in self.state_dict().items() if key.startswith("generator.")}

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor], *args, **kwargs):
        """Load weights; ensembles and quantisers that this training does not have (ablations) are ignored."""
        ensembles = self.discriminators.ensembles if hasattr(self, "discriminators") else SIGNALS
        absent = [f"discriminators.ensembles.{name}." for name in SIGNALS if name not in ensembles]
        if not self.generator.num_quantizers:
            absent.append("generator.quantizers.")
        if not hasattr(getattr(self, "schedule", None), "warm"):
            absent += ["schedule.warm", "schedule.accuracy", "schedule.num_observed"]  # of a training with a warm-up
        own = {key: value for key, value in state_dict.items() if not key.startswith(tuple(absent))}
        return super().load_state_dict(own, *args, **kwargs)

    def forward(
        self, speech_mix: torch.Tensor, forward_generator: bool = True, **others: torch.Tensor
    ) -> dict[str, Any]:
        """Return ESPnet's dictionary of loss, stats, weight and optimiser index.

        Args:
            speech_mix: noisy recordings ``(batch, sample)``.
            forward_generator: True for the generator's turn. Each step has a turn of the generator, followed by one of
                the discriminators, which reuse the generator's outputs (the trainer's ``generator_first: true``).
            others: ``speech_ref1``, ``noise_ref1``, ``clean_prior``, ``noise_prior`` ``(batch, sample)`` and their
                ``_lengths (batch,)``, also on the host (see :func:`espnet_codecse.length_mask.on_host`). Without
                ``noise_ref1``, the noise is the mixture minus the speech.
        """
        dtype = self.product_dtype(speech_mix.device)
        with autocast(speech_mix.device, None):
            return self._turn({"speech_mix": speech_mix, **others}, forward_generator, dtype)

    def product_dtype(self, device: torch.device) -> torch.dtype:
        """Return the data type of the products of transformers and discriminators on ``device``."""
        return network_dtype(self.dtype, device) or torch.float32

    def _turn(self, batch: dict[str, Any], forward_generator: bool, dtype: torch.dtype) -> dict[str, Any]:
        """Return the result of :meth:`forward`; ``dtype`` is that of its products."""
        speech_mix = batch["speech_mix"]
        size = len(speech_mix)
        part = self.micro_batch_size if self.training and self.micro_batch_size else size
        starts = range(0, size, part)
        if forward_generator:
            self._kept, self._chosen = [], self.schedule.draw(len(self.discriminators.n_ffts))
        loss = torch.zeros((), device=speech_mix.device)
        stats: dict[str, torch.Tensor] = {}
        for index, start in enumerate(starts):
            piece = _cut(batch, start, part)
            if forward_generator:
                value, values = self._generator_turn(piece, dtype)
            else:
                value, values = self._discriminator_turn(index, dtype)
            share = min(part, size - start) / size
            for name, statistic in values.items():
                stats[name] = stats.get(name, 0.0) + share * statistic.detach()
            loss = share * value
            if start + part < size and loss.requires_grad:
                loss.backward()  # the trainer calls this for the last part
        if not forward_generator:
            self._kept = []
            self.schedule.count(int(self.training))
        loss, stats, weight = step_result(loss, stats, size)
        return {"loss": loss, "stats": stats, "weight": weight, "optim_idx": 0 if forward_generator else 1}

    def collect_feats(self, **batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return nothing: lengths come from the data directories."""
        return {}

    def _prepare(self, batch: Mapping[str, Any]) -> Batch:
        """Scale all signals to the generator's level; references get the gain of the input."""
        speech, lengths = batch["speech_mix"], on_host(batch, "speech_mix")
        gain = self.generator.gain(speech, lengths)
        clean, noise = batch.get("speech_ref1"), batch.get("noise_ref1")
        if noise is None and clean is not None:
            noise = speech - clean
        priors = {}
        for name in ("clean", "noise"):
            if f"{name}_prior" in batch:
                prior, prior_lengths = batch[f"{name}_prior"], on_host(batch, f"{name}_prior")
                low, high = self.prior_level_db[name]
                drawn = on_device(torch.rand(len(prior), 1), prior.device).to(prior.dtype) * (high - low) + low
                scale = self.generator.gain(prior, prior_lengths) * 10 ** ((drawn - self.generator.level_db) / 20)
                priors[name] = (prior * scale, prior_lengths)
        clean, noise = (None if signal is None else signal * gain for signal in (clean, noise))
        return Batch(speech * gain, lengths, clean, noise, priors)

    def _pairs(self, batch: Batch, branches: Branches) -> dict[str, Pair]:
        """Return the signals that each ensemble discriminates."""
        fakes = {"clean": branches.clean, "noise": branches.noise, "noisy": branches.reconstruction()}
        pairs = {}
        for name in self.discriminators.ensembles:
            if name == "noisy":
                real, paired = (batch.speech, batch.lengths), True
            elif self.supervised:
                real, paired = (batch.clean if name == "clean" else batch.noise, batch.lengths), True
            else:
                real, paired = batch.priors[name], False
            pairs[name] = Pair(fakes[name], batch.lengths, *real, paired)
        return pairs

    def _generator_turn(
        self, batch: Mapping[str, Any], dtype: torch.dtype
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        prepared = self._prepare(batch)
        warming_up = self.training and self.schedule.warming_up and bool(self.discriminators.ensembles)
        with torch.no_grad() if warming_up else contextlib.nullcontext():
            branches = self.generator(prepared.speech, prepared.lengths, dtype)
        stats = branch_statistics(prepared.speech, branches, prepared.clean, prepared.noise)
        losses = self._reconstruction_losses(prepared, branches, stats)
        if self.training and self.discriminators.ensembles:
            pairs = self._pairs(prepared, branches)
            self._kept.append({name: pair._replace(fake=pair.fake.detach()) for name, pair in pairs.items()})
            if self.schedule.adversarial:
                for name, value in self._adversarial_losses(pairs, dtype).items():
                    kind = f"adversarial_{name.split('_')[1]}"
                    matching = self.weights["feature_matching"] if name.startswith("features") else 1.0
                    losses[name] = (self.weights[kind] * matching, value)
        stats.update({f"loss_{name}": value for name, (_, value) in losses.items()})
        quantizer = {
            name: (self.weights[name], getattr(branches, name))
            for name in ("commitment", "codebook")
            if self.generator.num_quantizers
        }
        stats.update({name: value for name, (_, value) in quantizer.items()})
        total = sum(weight * value for weight, value in {**losses, **quantizer}.values())
        stats["loss"] = torch.as_tensor(total)
        if warming_up:
            return self._nothing_to_learn(), stats
        if not self.training and self.selection == "latest":
            stats["loss"] = -self.schedule.num_steps.float()
        if self.training and self.balance_gradients and losses:
            outputs = [signal for signal in (branches.clean, branches.noise) if signal is not None]
            total, sizes = balanced_loss(losses, outputs)
            total = total + sum(weight * value for weight, value in quantizer.values())
            stats.update({f"gradient_{name}": size for name, size in sizes.items()})
        return total, stats

    def _reconstruction_losses(
        self, batch: Batch, branches: Branches, stats: dict[str, torch.Tensor]
    ) -> dict[str, tuple[float, torch.Tensor]]:
        """Return the weighted losses of signals with a reference; ``stats`` gets the SI-SDR of all signals."""
        signals = {
            "clean": (branches.clean, batch.clean),
            "noise": (branches.noise, batch.noise),
            "noisy": (branches.reconstruction(), batch.speech),
        }
        losses = {}
        for name, (estimate, reference) in signals.items():
            if estimate is None or reference is None:
                continue
            if self.weights[name] and (self.supervised or name == "noisy"):
                values = self.reconstruction(estimate, reference)
                losses[name] = (self.weights[name], values.pop("loss"))
                stats.update({f"{name}_{key}": value for key, value in values.items()})
            elif not self.training:
                with torch.no_grad():
                    stats[f"{name}_si_sdr"] = self.reconstruction(estimate, reference)["si_sdr"]
        return losses

    def _adversarial_losses(self, pairs: Mapping[str, Pair], dtype: torch.dtype) -> dict[str, torch.Tensor]:
        matching = bool(self.weights["feature_matching"])
        return generator_losses(self.discriminators, self.adversarial, pairs, self._chosen, matching, dtype)

    def _discriminator_turn(self, index: int, dtype: torch.dtype) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        learning = self.training and self.schedule.discriminating
        if not learning or not self.discriminators.ensembles:
            return self._nothing_to_learn(), {}
        losses, accuracies = discriminator_losses(
            self.discriminators, self.adversarial, self._kept[index], self._chosen, dtype, self.schedule.held_out_share
        )
        if self.schedule.warming_up:
            self.schedule.observe(accuracies)
        total = sum(losses.values())
        logged = {f"accuracy_{name}": value for name, value in accuracies.items()}
        return total, {**losses, **logged, "discriminator_loss": total}

    def _nothing_to_learn(self) -> torch.Tensor:
        """Return a loss whose gradient reaches no weight, so that the optimiser steps without a change."""
        return torch.zeros((), device=self.schedule.num_steps.device, requires_grad=True)


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise a UserError that names an unknown loss."""
    unknown = sorted(set(weights) - set(WEIGHTS))
    if unknown:
        raise UserError(f"model_conf weights: '{unknown[0]}' is unknown; known: {', '.join(WEIGHTS)}")


def ensemble_names(weights: Mapping[str, float], noise_branch: bool) -> list[str]:
    """Return the names of the ensembles whose weights are not 0.

    Raises:
        UserError: the noise ensemble is requested without a noise branch.
    """
    check_weights(weights)
    names = [name for name in SIGNALS if weights.get(f"adversarial_{name}")]
    if "noise" in names and not noise_branch:
        raise UserError("model_conf weights: adversarial_noise needs generator_conf noise_branch: true")
    return names


def _cut(batch: Mapping[str, Any], start: int, count: int) -> dict[str, Any]:
    return {name: value[start : start + count] for name, value in batch.items()}
