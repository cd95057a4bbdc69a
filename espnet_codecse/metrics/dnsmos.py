"""DNSMOS P.835 (SIG, BAK, OVRL) and P.808: neural estimates of listening scores, without a reference."""

import importlib.util
from pathlib import Path

import numpy as np

from espnet_codecse.level import scaled
from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.dnsmos_network import WINDOW_SAMPLES, SlidingNetwork, one_thread
from espnet_codecse.metrics.mel import mel_filterbank, mel_power_db
from espnet_codecse.metrics.registry import register

SAMPLE_RATE = 16000  # Hz
WINDOW_SECONDS = 9.01
# Polynomials from raw network outputs to the published scale of SIG, BAK and OVRL (DNS-Challenge dnsmos_local.py).
Polynomials = tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
FIT: Polynomials = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
PERSONALISED_FIT: Polynomials = (
    (-0.01019296, 0.02751166, 1.19576786, -0.24348726),
    (-0.04976499, 0.44276479, -0.1644611, 0.96883132),
    (-0.00533021, 0.005101, 1.18058466, -0.11236046),
)
NO_FIT: Polynomials = ((1.0, 0.0),) * 3


def _columns(prefix: str, variant: str) -> tuple[Metric, ...]:
    return tuple(
        Metric(
            f"{prefix}_{name}",
            SAMPLE_RATE,
            False,
            (1.0, 5.0),
            True,
            "speechmos onnx onnxruntime",
            f"DNSMOS P.835 {text}{variant}",
        )
        for name, text in (("SIG", "speech quality"), ("BAK", "background quality"), ("OVRL", "overall quality"))
    )


def _p808(prefix: str, variant: str) -> Metric:
    text = f"DNSMOS P.808 overall quality{variant}"
    return Metric(f"{prefix}_P808", SAMPLE_RATE, False, (1.0, 5.0), True, "speechmos onnx onnxruntime", text)


class _Dnsmos(AbsMetricFamily):
    """Base of the variants, whose values differ.

    The networks are those of the speechmos package. Recordings shorter than 9.01 s are repeated until they are longer.
    Scores are means over windows of 9.01 s, one per second. Scores depend on the level, which only ``DNSMOS_PEAK``
    normalises; samples beyond full scale are clipped. Sessions are kept between files and use one thread, since
    utterances are scored in parallel; the windows share most of their work (:class:`SlidingNetwork`).

    speechmos, and the script of the DNS-Challenge before it, compute the end of each window in floating point. Rounding
    makes some windows a sample too short, and these are left out: of a recording of 32 s, 16 of 23. Papers report
    these values, so they are the default; they differ by up to 0.6 from the mean over all windows.
    """

    folder = "dnsmos_models"
    polynomials = FIT
    all_windows = False
    at_peak = False  # bring the largest sample to 1 first

    def load(self) -> None:
        self._network = SlidingNetwork(_folder_of_speechmos() / self.folder / "sig_bak_ovr.onnx")

    def compute(self, signals: Signals) -> dict[str, float]:
        speech = signals.estimate
        if self.at_peak:
            speech = scaled(speech, speech, 1.0)
        speech = np.clip(speech, -1.0, 1.0).astype(np.float32)
        while len(speech) < WINDOW_SAMPLES:
            speech = np.concatenate([speech, speech])
        num_windows = max(1, int(len(speech) // SAMPLE_RATE - 9.01) + 1)
        starts = []
        for start in range(0, num_windows * SAMPLE_RATE, SAMPLE_RATE):
            end = start + WINDOW_SAMPLES
            if not self.all_windows:  # as speechmos computes it
                end = int((start // SAMPLE_RATE + WINDOW_SECONDS) * SAMPLE_RATE)
            if min(end, len(speech)) - start == WINDOW_SAMPLES:
                starts.append(start)
        return dict(zip((column.name for column in self.columns), self._scores(speech, starts).mean(0).tolist()))

    def _scores(self, speech: np.ndarray, starts: list[int]) -> np.ndarray:
        """Return the columns ``(window, column)`` of the windows that begin at the samples ``starts``."""
        raw = self._network.scores(speech, starts).astype(np.float64)
        return np.stack([np.polyval(fit, value) for fit, value in zip(self.polynomials, raw.T)], axis=1)


def _folder_of_speechmos() -> Path:
    """Return the folder of the networks; importing speechmos.dnsmos takes seconds and starts sessions on all cores."""
    found = importlib.util.find_spec("speechmos")
    if found is None or found.origin is None:
        raise ImportError("No module named 'speechmos'")
    return Path(found.origin).parent


@register(group="DNSMOS")
class Dnsmos(_Dnsmos):
    """Not personalised, fitted, with P.808: the default of ``speechmos.dnsmos`` and of the DNS-Challenge script."""

    columns = (*_columns("DNSMOS", ""), _p808("DNSMOS", ""))

    def load(self) -> None:
        super().load()
        import onnxruntime

        path = _folder_of_speechmos() / self.folder / "model_v8.onnx"
        self._p808 = onnxruntime.InferenceSession(str(path), one_thread(), providers=["CPUExecutionProvider"])
        self._filterbank = mel_filterbank(SAMPLE_RATE, 321, 120)

    def _scores(self, speech: np.ndarray, starts: list[int]) -> np.ndarray:
        rows = []
        for start in starts:
            window = speech[start : start + WINDOW_SAMPLES - 160]
            mel = (mel_power_db(window, self._filterbank, 321, 160) + 40.0) / 40.0
            rows.append(self._p808.run(None, {"input_1": mel[None].astype(np.float32)})[0][0])
        return np.concatenate([super()._scores(speech, starts), rows], axis=1)


@register(group="DNSMOS_PEAK")
class PeakDnsmos(Dnsmos):
    """As DNSMOS, of recordings whose largest sample is brought to 1, as Codecformer and Codecformer-EL score."""

    columns = (
        *_columns("DNSMOS_PEAK", ", of the recording at a peak of 1"),
        _p808("DNSMOS_PEAK", ", of the recording at a peak of 1"),
    )
    at_peak = True


@register(group="DNSMOS_ALL_WINDOWS")
class AllWindowsDnsmos(_Dnsmos):
    """Not personalised, fitted, the mean over all windows; differs from speechmos for recordings of 17 s and more."""

    columns = _columns("DNSMOS_ALL_WINDOWS", ", mean over all windows")
    all_windows = True


@register(group="DNSMOS_RAW")
class RawDnsmos(_Dnsmos):
    """Not personalised, without the fit."""

    polynomials = NO_FIT
    columns = _columns("DNSMOS_RAW", ", without the fitted polynomials")


@register(group="PDNSMOS")
class PersonalisedDnsmos(_Dnsmos):
    """The personalised networks, which count the voices of other people as noise."""

    folder = "pdnsmos_models"
    polynomials = PERSONALISED_FIT
    columns = _columns("PDNSMOS", ", personalised")


@register(group="PDNSMOS_RAW")
class RawPersonalisedDnsmos(PersonalisedDnsmos):
    """The personalised networks without the fit."""

    polynomials = NO_FIT
    columns = _columns("PDNSMOS_RAW", ", personalised, without the fitted polynomials")
