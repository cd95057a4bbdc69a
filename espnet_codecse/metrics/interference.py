"""SIR and SAR: what of the error is the other speakers, and what is artefacts."""

from typing import Dict

import numpy as np

from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric, Signals
from espnet_codecse.metrics.registry import register
from espnet_codecse.metrics.sdr import LARGEST_DB


@register()
class InterferenceAndArtefacts(AbsMetricFamily):
    """BSS-eval SIR and SAR (Vincent et al., 2006) by fast_bss_eval, for mixtures of several speakers.

    An utterance of one speaker has neither: what is left of noise counts as artefacts in SDR.
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

    def compute(self, signals: Signals) -> Dict[str, float]:
        references = np.stack([signals.reference, *signals.others]).astype(np.float64)
        if len(references) < 2 or not np.all(np.any(references, axis=1)) or not np.any(signals.estimate):
            return {"SIR": float("nan"), "SAR": float("nan")}
        estimates = np.repeat(signals.estimate[None].astype(np.float64), len(references), axis=0)
        _, sir, sar = self._bss_eval(self._tensor(references), self._tensor(estimates), compute_permutation=False)
        return {name: float(np.clip(ratio[0], -LARGEST_DB, LARGEST_DB)) for name, ratio in (("SIR", sir), ("SAR", sar))}
