"""SIR and SAR: the shares of other speakers and of artefacts in the error."""

import warnings

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register
from espnet_codecse.metrics.sdr import LARGEST_DB


@register()
class InterferenceAndArtefacts(AbsMetricFamily):
    """BSS-eval SIR and SAR (Vincent et al., 2006) by fast_bss_eval, for mixtures of several speakers.

    Both are undefined for a single speaker, where residual noise counts as artefacts in SDR.
    """

    columns = tuple(
        Metric(name, None, True, (-LARGEST_DB, LARGEST_DB), True, "fast_bss_eval", f"BSS-eval {text} in dB, 512 taps")
        for name, text in (("SIR", "signal-to-interference ratio"), ("SAR", "signal-to-artefacts ratio"))
    )

    def load(self) -> None:
        import fast_bss_eval
        import torch  # its numpy path fails for several speakers with numpy 2 (solve of stacked vectors)

        torch.set_num_threads(1)
        self._tensor, self._bss_eval = torch.from_numpy, fast_bss_eval.bss_eval_sources

    def compute(self, signals: Signals) -> dict[str, float]:
        pair = _sources(signals)
        if pair is None or len(pair[0]) < 2:
            return {"SIR": float("nan"), "SAR": float("nan")}
        _, sir, sar = self._bss_eval(*map(self._tensor, pair), compute_permutation=False)
        return {"SIR": _limited(sir), "SAR": _limited(sar)}


@register(group="MIR_EVAL")
class MirEval(AbsMetricFamily):
    """BSS-eval version 3 by mir_eval, as used by older papers; several hundred times slower."""

    columns = tuple(
        Metric(f"MIR_{name}", None, True, (-LARGEST_DB, LARGEST_DB), True, "mir_eval", f"{name} by mir_eval, dB")
        for name in ("SDR", "SIR", "SAR")
    )

    def load(self) -> None:
        from mir_eval.separation import bss_eval_sources

        self._bss_eval = bss_eval_sources

    def compute(self, signals: Signals) -> dict[str, float]:
        pair = _sources(signals)
        if pair is None:
            return {column.name: float("nan") for column in self.columns}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # mir_eval announces the removal of this function
            ratios = self._bss_eval(*pair, compute_permutation=False)[:3]
        values = dict(zip((column.name for column in self.columns), map(_limited, ratios)))
        # A single speaker has no interference, which mir_eval returns as infinity.
        return values if signals.others else {**values, "MIR_SIR": float("nan")}


def _sources(signals: Signals) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the references, the speaker's own first, and the estimate once per reference, ``(speaker, sample)`` each.

    Returns None if one of them is silent, because the ratios are then undefined.
    """
    references = np.stack([signals.reference, *signals.others]).astype(np.float64)
    if not np.all(np.any(references, axis=1)) or not np.any(signals.estimate):
        return None
    return references, np.repeat(signals.estimate[None].astype(np.float64), len(references), axis=0)


def _limited(ratios) -> float:
    """Return the first ratio in dB, within the limits."""
    return float(np.clip(float(ratios[0]), -LARGEST_DB, LARGEST_DB))
