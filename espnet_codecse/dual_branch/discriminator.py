"""Three ensembles of complex-spectrum discriminators that share their input spectra."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from espnet2.gan_codec.shared.discriminator.msstft_discriminator import DiscriminatorSTFT

from espnet_codecse.precision import autocast

Scores = list[list[Any]]


class SpectrumDiscriminators(torch.nn.Module):
    """Ensembles of ESPnet's STFT discriminators (EnCodec's); those with the same window share the spectra.

    Args:
        names: names of the ensembles: ``clean``, ``noise``, ``noisy``.
        n_ffts: window length of each discriminator in samples; the hop is a quarter of it.
        filters: number of filters of the convolutions.
        kernel_size: frames and frequency bins of the inner convolutions.
        stride: stride of the inner convolutions in frames and frequency bins.
        dilations: dilation in frames of each inner convolution.
        level_db: level of the signals, dB relative to full scale; used to scale the spectra to about unit size.
    """

    def __init__(
        self,
        names: Sequence[str],
        n_ffts: Sequence[int] = (2048, 1536, 1024, 768, 512, 384, 256, 128),
        filters: int = 32,
        kernel_size: Sequence[int] = (3, 9),
        stride: Sequence[int] = (1, 2),
        dilations: Sequence[int] = (1, 2, 4),
        level_db: float = -26.0,
    ):
        super().__init__()
        self.n_ffts, self.gain = tuple(n_ffts), 10 ** (-level_db / 20)
        self.ensembles = torch.nn.ModuleDict()
        for name in names:
            nets = [
                DiscriminatorSTFT(
                    filters,
                    n_fft=n_fft,
                    hop_length=n_fft // 4,
                    win_length=n_fft,
                    kernel_size=tuple(kernel_size),
                    stride=tuple(stride),
                    dilations=list(dilations),
                )
                for n_fft in self.n_ffts
            ]
            for net in nets:
                net.spec_transform = torch.nn.Identity()  # its input is the shared spectrum
                # Scores start between those of real (1) and fake (0) signals, so that both have a gradient.
                torch.nn.init.constant_(net.conv_post.conv.bias, 0.5)
            self.ensembles[name] = torch.nn.ModuleList(nets)
        for n_fft in self.n_ffts:
            window = torch.hann_window(n_fft)
            self.register_buffer(f"window_{n_fft}", window / window.square().sum().sqrt(), persistent=False)

        # With few filters, convolutions are faster on a CPU if the filters are the innermost dimension.
        self.to(memory_format=torch.channels_last)

    def spectrum(self, speech: torch.Tensor, n_fft: int) -> torch.Tensor:
        """Return the complex spectrum ``(batch, 1, bin, frame)`` of ``speech (batch, sample)``."""
        speech = torch.nn.functional.pad(speech, (0, max(0, n_fft - speech.shape[1])))
        window = getattr(self, f"window_{n_fft}")
        return torch.stft(
            self.gain * speech, n_fft, n_fft // 4, n_fft, window, center=False, return_complex=True
        ).unsqueeze(1)

    def forward(
        self,
        signals: Mapping[str, torch.Tensor],
        lengths: Mapping[str, torch.Tensor],
        chosen: Sequence[int] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> dict[str, Scores]:
        """Return the feature maps and scores of signals.

        Args:
            signals: input of each ensemble, ``(item, sample)``, zero after the end of each item.
            lengths: ``(item,)`` samples; on the CPU, the host need not wait for the device.
            chosen: indices of the discriminators to run; None: all.
            dtype: data type of the matrix products; spectra are always float32.

        Returns:
            For each ensemble and discriminator, the feature maps ``(item, filter, frame, bin)``, followed by a list
            with one ``(frame, bin)`` per item: the scores of its valid frames; see :func:`scores_of`.
        """
        num_samples = max(speech.shape[1] for speech in signals.values())
        together = torch.cat(
            [torch.nn.functional.pad(speech, (0, num_samples - speech.shape[1])) for speech in signals.values()]
        )
        ends = {name: value.tolist() for name, value in lengths.items()}
        results: dict[str, Scores] = {name: [] for name in signals}
        for index in range(len(self.n_ffts)) if chosen is None else chosen:
            hop = self.n_ffts[index] // 4
            spectra = self.spectrum(together, self.n_ffts[index])
            for name, spectrum in zip(signals, spectra.split([len(speech) for speech in signals.values()])):
                with autocast(spectrum.device, dtype):
                    score, features = self.ensembles[name][index](spectrum)
                own_scores = [item[0, : -(-end // hop)].to(together.dtype) for item, end in zip(score, ends[name])]
                results[name].append([*features, own_scores])
        return results


def scores_of(scores: Scores, items: slice) -> Scores:
    """Return the feature maps and the concatenated scores of some items of a :class:`SpectrumDiscriminators` output."""
    return [[*(feature[items] for feature in net[:-1]), torch.cat(net[-1][items])] for net in scores]
