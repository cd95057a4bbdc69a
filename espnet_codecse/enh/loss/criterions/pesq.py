"""A differentiable loss modelled on PESQ: loudness disturbances on the Bark scale."""

import torch
from espnet2.enh.loss.criterions.time_domain import TimeDomainLoss

from espnet_codecse.enh.loss.power import power

FRAME_SIZE, FRAME_SHIFT = 512, 256  # samples at 16 kHz, as in P.862.2
NUM_BANDS = 49
TARGET_POWER = 1e7  # power of 16-bit samples between 350 and 3250 Hz to which both signals are scaled
POWER_SCALE, LOUDNESS_SCALE = 6.91e-6, 0.1866  # scale factors of P.862's power and loudness densities at 16 kHz
SYLLABLE_SIZE, SYLLABLE_SHIFT = 20, 10  # frames; within a syllable, the pooling emphasises peaks
BEST_RAW_SCORE = 4.5


def bark(frequency: torch.Tensor) -> torch.Tensor:
    """Return the critical-band rate of frequencies in Hz (Zwicker and Terhardt, 1980)."""
    return 13 * torch.atan(7.6e-4 * frequency) + 3.5 * torch.atan((frequency / 7500).square())


def listening_quality(raw: torch.Tensor) -> torch.Tensor:
    """Return the wide-band MOS-LQO of raw PESQ scores (ITU-T P.862.2, section 5)."""
    return 0.999 + 4 / (1 + torch.exp(-1.3669 * raw + 3.8224))


def hearing_threshold(frequency: torch.Tensor) -> torch.Tensor:
    """Return the threshold in quiet as power relative to 0 dB SPL (Terhardt, 1979), for frequencies in Hz."""
    khz = frequency.clamp(min=20) / 1000
    level = 3.64 * khz**-0.8 - 6.5 * torch.exp(-0.6 * (khz - 3.3).square()) + 1e-3 * khz**4
    return 10 ** ((level.clamp(max=70) - 8) / 10)  # 8 dB lower, to match P.862's table in the mid bands


class PESQLoss(TimeDomainLoss):
    """The amount that PESQ subtracts from its best score: ``0.1 d_sym + 0.0309 d_asym`` (ITU-T P.862, section 10.2).

    The loss aligns the levels and computes loudness in 49 bands from spectra of 32 ms. Differences below a quarter of
    the softer loudness are inaudible. Energy added to a band counts more than energy removed, and loud frames and bad
    syllables count more than others. Time alignment, bad intervals, the caps of frames and the slow tracking of gains
    are left out, because they are useless or harmful for gradients. Bands and thresholds come from formulas instead of
    the Recommendation's tables. The loss is not the metric, but correlates closely with it over recordings.

    Args:
        name: name of the value in logs.
        mapped: compute the loss in MOS-LQO points, as scores are reported, instead of raw points. The mapping is flat
            for bad speech, so that recordings that can sound good get more weight.
        equalized: ignore the effect of a linear filter, as PESQ does. A model learns to exploit this and darkens the
            speech: in one training by 5 to 7 dB above 2 kHz, which alone gained 0.2 points of PESQ.
    """

    def __init__(self, name: str = "", only_for_test: bool = False, mapped: bool = False, equalized: bool = True):
        super().__init__(name or "pesq_loss", only_for_test=only_for_test)
        self.mapped = mapped
        self.equalized = equalized
        frequencies = torch.arange(FRAME_SIZE // 2 + 1) * (16000 / FRAME_SIZE)
        rates = bark(frequencies)
        # The lowest band is one bin wide. The width grows linearly such that 49 bands reach 8 kHz.
        first, top = 0.318, rates[-1].item()
        last = 2 * top / NUM_BANDS - first
        edges = torch.cat([torch.zeros(1), torch.linspace(first, last, NUM_BANDS).cumsum(0)])
        self.widths = edges.diff()
        index = torch.bucketize(rates[1:], edges[1:-1])
        bands = torch.nn.functional.one_hot(index, NUM_BANDS).float()
        # Some narrow bands contain no bin. They share the nearest one.
        empty = bands.sum(0) == 0
        centres = (edges[1:] + edges[:-1]) / 2
        nearest = (rates[1:, None] - centres[None]).abs().argmin(0)
        bands[nearest[empty], empty.nonzero().squeeze(1)] = 1.0
        self.bands = torch.cat([torch.zeros(1, NUM_BANDS), bands]) * (31.8 / self.widths) * POWER_SCALE
        centre_hz = torch.stack([frequencies[(rates - centre).abs().argmin()] for centre in centres])
        self.threshold = hearing_threshold(centre_hz)
        # Zwicker's exponent is larger in the lowest bands.
        self.exponent = 0.23 * (6 / (centres + 2)).clamp(1, 2) ** 0.15
        in_speech_band = (frequencies >= 350) & (frequencies <= 3250)
        self.speech_band = in_speech_band.float()
        self.high_pass = 1 / (1 + (100 / frequencies.clamp(min=1)) ** 8)
        self.window = torch.hann_window(FRAME_SIZE)

    def forward(self, ref: torch.Tensor, inf: torch.Tensor) -> torch.Tensor:
        """Return the PESQ points lost, ``(batch,)``, for two waveforms ``(batch, sample)`` at 16 kHz."""
        self._to(ref.device)
        reference, estimate = (self._band_powers(speech) for speech in (ref, inf))
        filtered = self._filtered_alike(reference, estimate) if self.equalized else reference
        estimate = estimate * self._gains(filtered, estimate)
        reference_loudness, estimate_loudness = self._loudness(filtered), self._loudness(estimate)
        difference = estimate_loudness - reference_loudness
        masked = 0.25 * torch.minimum(estimate_loudness, reference_loudness)
        heard = difference.sign() * (difference.abs() - masked).clamp(min=0)
        ratio = ((estimate + 50) / (filtered + 50)) ** 1.2
        asymmetry = torch.where(ratio < 3, torch.zeros_like(ratio), ratio.clamp(max=12))
        total = self.widths.sum()
        symmetric = ((heard * self.widths).square().sum(-1) / total + 1e-6).sqrt() * total
        asymmetric = (heard.abs() * asymmetry * self.widths).sum(-1)
        importance = ((reference.sum(-1) + 1e5) / 1e7) ** 0.04
        pooled = [self._over_time((frames / importance).clamp(max=45)) for frames in (symmetric, asymmetric)]
        lost = 0.1 * pooled[0] + 0.0309 * pooled[1]
        if not self.mapped:
            return lost
        return listening_quality(lost.new_full((), BEST_RAW_SCORE)) - listening_quality(BEST_RAW_SCORE - lost)

    def _to(self, device: torch.device) -> None:
        for name in ("widths", "bands", "threshold", "exponent", "speech_band", "high_pass", "window"):
            setattr(self, name, getattr(self, name).to(device))

    def _band_powers(self, speech: torch.Tensor) -> torch.Tensor:
        """Return the power densities ``(batch, frame, band)`` of ``(batch, sample)``, scaled to the target level."""
        spectrum = torch.stft(
            speech, FRAME_SIZE, FRAME_SHIFT, window=self.window, pad_mode="constant", return_complex=True
        )
        passed = power(spectrum).transpose(1, 2) * self.high_pass
        # Parseval's theorem gives the power of the samples: the window's mean square is 3/8, and the factor 2 accounts
        # for the other half of the spectrum.
        mean = (passed * self.speech_band).sum(-1).mean(-1) * 2 / (FRAME_SIZE**2 * 0.375)
        return (passed * (TARGET_POWER / (mean + 1e-8))[:, None, None]) @ self.bands

    def _filtered_alike(self, reference: torch.Tensor, estimate: torch.Tensor) -> torch.Tensor:
        """Return the reference's band powers after the estimate's linear filter, limited to 20 dB."""
        speech_frames = (reference.sum(-1) > 1e4).to(reference.dtype).unsqueeze(-1)
        mean_reference, mean_estimate = (
            (powers * (powers > 100 * self.threshold) * speech_frames).mean(1, keepdim=True)
            for powers in (reference, estimate)
        )
        return reference * ((mean_estimate + 1e3) / (mean_reference + 1e3)).clamp(0.01, 100)

    def _gains(self, reference: torch.Tensor, estimate: torch.Tensor) -> torch.Tensor:
        """Return the gains ``(batch, frame, 1)`` that compensate the estimate's slow gain changes."""
        sums = ((powers * (powers > self.threshold)).sum(-1) + 5e3 for powers in (reference, estimate))
        ratio = next(sums) / next(sums)
        previous = torch.cat([torch.ones_like(ratio[:, :1]), ratio[:, :-1]], dim=1)
        return (0.8 * ratio + 0.2 * previous).clamp(3e-4, 5).unsqueeze(-1)

    def _loudness(self, power: torch.Tensor) -> torch.Tensor:
        """Return the loudness densities of power densities ``(batch, frame, band)``; zero below the threshold."""
        scale = LOUDNESS_SCALE * (self.threshold / 0.5) ** self.exponent
        return scale * ((0.5 + 0.5 * power.clamp(min=self.threshold) / self.threshold) ** self.exponent - 1)

    @staticmethod
    def _over_time(disturbance: torch.Tensor) -> torch.Tensor:
        """Pool ``(batch, frame)`` with a power mean of order 6 within syllables and of order 2 over syllables."""
        num_frames = disturbance.shape[1]
        if num_frames > SYLLABLE_SIZE:
            disturbance = disturbance.unfold(1, SYLLABLE_SIZE, SYLLABLE_SHIFT)
        else:
            disturbance = disturbance.unsqueeze(1)
        syllables = ((disturbance + 1e-4) ** 6).mean(-1) ** (1 / 6)
        return syllables.square().mean(-1).sqrt()
