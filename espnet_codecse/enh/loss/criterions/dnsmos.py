"""DNSMOS as a differentiable loss: how far the scores of an estimate are below those of its reference."""

import importlib.util
from pathlib import Path

import torch
from espnet2.enh.loss.criterions.time_domain import TimeDomainLoss
from torch.nn import functional as F

from espnet_codecse.enh.loss.power import power
from espnet_codecse.errors import UserError
from espnet_codecse.metrics.dnsmos import FIT, SAMPLE_RATE
from espnet_codecse.metrics.mel import mel_filterbank
from espnet_codecse.precision import has_native_bfloat16

P835, P808 = "sig_bak_ovr.onnx", "model_v8.onnx"
HOP = 160  # samples between the frames of both networks
MEL_WINDOW, NUM_MELS = 321, 120


class _Network:
    """Convolutions over frames and bands, global max pooling, and dense layers, read from an ONNX file.

    The files contain no other layers, and their nodes are in the order of the layers. The weights are constants: they
    are neither parameters of a model nor part of a checkpoint.
    """

    def __init__(self, path: Path):
        import onnx
        from onnx import numpy_helper

        graph = onnx.load(str(path)).graph
        constants = {item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in graph.initializer}
        self.analysis: list[torch.Tensor] = []
        self.planes: list[tuple[str, torch.Tensor, torch.Tensor]] = []
        self.dense: list[tuple[torch.Tensor, torch.Tensor]] = []
        for node in graph.node:
            weights = [constants[name] for name in node.input if name in constants]
            if node.op_type == "Conv" and weights[0].dim() == 3:
                self.analysis.append(weights[0].squeeze(-1))
            elif node.op_type == "Conv":
                self.planes.append(("conv", *weights))
            elif node.op_type == "MaxPool":
                self.planes.append(("pool", torch.empty(0), torch.empty(0)))
            elif node.op_type == "MatMul":
                matrix = weights[0]
            elif node.op_type == "Add" and weights:
                self.dense.append((matrix.T.contiguous(), weights[0]))

    def to(self, device: torch.device) -> None:
        """Move the constants."""
        self.analysis = [weight.to(device) for weight in self.analysis]
        self.planes = [(kind, weight.to(device), bias.to(device)) for kind, weight, bias in self.planes]
        self.dense = [(weight.to(device), bias.to(device)) for weight, bias in self.dense]

    def __call__(self, features: torch.Tensor, bfloat16: bool = False) -> torch.Tensor:
        """Return ``(batch, score)`` for ``(batch, frame, band)``; ``bfloat16`` applies to the convolutions."""
        hidden = features.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(hidden.device.type, torch.bfloat16, enabled=bfloat16):
            for kind, weight, bias in self.planes:
                hidden = F.max_pool2d(hidden, 2) if kind == "pool" else F.conv2d(hidden, weight, bias, padding=1).relu()
        hidden = hidden.amax((2, 3)).float()
        for number, (weight, bias) in enumerate(self.dense, 1):
            hidden = F.linear(hidden, weight, bias)
            hidden = hidden if number == len(self.dense) else F.relu(hidden)
        return hidden


class DNSMOSLoss(TimeDomainLoss):
    """Difference between the DNSMOS of the reference and that of the estimate (Reddy et al., 2110.01763, 2010.15258).

    A segment of any length is scored as a whole; one shorter than a second is repeated. Scores above those of the
    reference are not rewarded. DNSMOS predicts listeners' opinions with a network, and an enhancer may learn to please
    that network only. Combine it with losses that use the reference, give it a small weight, and judge the result with
    other metrics.

    Args:
        scores: weight per score: SIG, BAK and OVRL of P.835, and P808.
        num_items: number of items per batch that are scored in training, drawn at random for each batch; None: all. The
            P.835 network takes 2 GMAC per second of audio.
        bfloat16: compute the convolutions in bfloat16 in training on a device with hardware for it; scores then differ
            by a few hundredths.
        name: name of the value in logs.

    Raises:
        ValueError: a score is unknown, or no score is given.
        UserError: speechmos or onnx is not installed.
    """

    NAMES = ("SIG", "BAK", "OVRL", "P808")

    def __init__(
        self,
        scores: dict[str, float] = {"OVRL": 1.0, "P808": 1.0},  # noqa: B006 - never changed; ESPnet writes it as YAML
        num_items: int | None = None,
        bfloat16: bool = False,
        name: str = "",
        only_for_test: bool = False,
    ):
        super().__init__(name or "dnsmos_loss", only_for_test=only_for_test)
        if not scores or set(scores) - set(self.NAMES):
            raise ValueError(f"scores {sorted(scores)}: give weights for some of {', '.join(self.NAMES)}")
        self.scores, self.num_items, self.bfloat16 = dict(scores), num_items, bfloat16
        found = importlib.util.find_spec("speechmos")
        if found is None or found.origin is None or importlib.util.find_spec("onnx") is None:
            raise UserError("the criterion dnsmos needs the packages speechmos and onnx: pip install speechmos onnx")
        folder = Path(found.origin).parent / "dnsmos_models"
        self.p808 = _Network(folder / P808) if "P808" in scores else None
        self.p835 = _Network(folder / P835) if set(scores) - {"P808"} else None
        self.filterbank = torch.from_numpy(mel_filterbank(SAMPLE_RATE, MEL_WINDOW, NUM_MELS))
        self.window = torch.hann_window(MEL_WINDOW)

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return weighted differences of scores ``(batch,)`` for two waveforms ``(batch, sample)`` at 16 kHz."""
        if self.num_items is None or self.num_items >= len(inf) or not inf.requires_grad:
            return self._missing(ref, inf)
        drawn = torch.randperm(len(inf), device=inf.device)[: self.num_items]
        missing = self._missing(ref[drawn], inf[drawn]) * (len(inf) / self.num_items)
        return inf.new_zeros(len(inf)).index_add(0, drawn, missing)

    def _missing(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return the weighted difference of scores of each item, ``(batch,)``."""
        bfloat16 = self.bfloat16 and inf.requires_grad and has_native_bfloat16(str(inf.device))
        with torch.no_grad():
            best = self.predict(ref, bfloat16)
        reached = self.predict(inf, bfloat16)
        return sum(weight * F.relu(best[name] - reached[name]) for name, weight in self.scores.items())

    def predict(self, speech: torch.Tensor, bfloat16: bool = False) -> dict[str, torch.Tensor]:
        """Return the fitted scores ``{name: (batch,)}`` of ``(batch, sample)`` at 16 kHz; each item is one window."""
        while speech.shape[1] < SAMPLE_RATE:
            speech = torch.cat([speech, speech], dim=1)
        values = {}
        if self.p835 is not None:
            self.p835.to(speech.device)
            raw = self.p835(self._log_power(speech), bfloat16)
            for name, fit, score in zip(self.NAMES, FIT, raw.unbind(1)):
                values[name] = (fit[0] * score + fit[1]) * score + fit[2]
        if self.p808 is not None:
            self.p808.to(speech.device)
            values["P808"] = self.p808(self._mel(speech), bfloat16).squeeze(1)
        return values

    def _log_power(self, speech: torch.Tensor) -> torch.Tensor:
        """Return the input of the P.835 network, ``(batch, frame, bin)``; a frame is two hops long."""
        assert self.p835 is not None
        frames = speech.unfold(1, 2 * HOP, HOP)
        real, imaginary = (frames @ kernel.T for kernel in self.p835.analysis)
        return (real.square() + imaginary.square()).clamp(min=1e-12).log10()

    def _mel(self, speech: torch.Tensor) -> torch.Tensor:
        """Return the input of the P.808 network, ``(batch, frame, band)``: dB relative to the maximum, then scaled."""
        self.filterbank, self.window = self.filterbank.to(speech.device), self.window.to(speech.device)
        # The published script drops the last hop, so that a window of 9.01 s has 900 frames.
        spectrum = torch.stft(
            speech[:, :-HOP], MEL_WINDOW, HOP, window=self.window, pad_mode="constant", return_complex=True
        )
        bands = power(spectrum).transpose(1, 2) @ self.filterbank.T
        level = 10 * bands.clamp(min=1e-10).log10()
        return ((level - level.amax((1, 2), keepdim=True)).clamp(min=-80) + 40) / 40
