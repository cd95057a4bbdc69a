"""The level of estimates whose own one says nothing: that of their share of the mixture."""

import numpy as np

FRAME = 512  # samples of a power spectrum
# Weights of a common factor, to which powers are drawn: of any two estimates, and of two that sound the same.
RIDGE, RIDGE_OF_SAME = 1e-3, 0.05
SHARPNESS = 8  # power of the similarity by which the second weight is multiplied
FLOOR = 0.01  # smallest power relative to the common factor, so that no estimate is silenced
NUM_ROUNDS = 100
SILENCE = 1e-20  # norm of power spectra


def by_projection(mixture: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Project ``mixture (batch, sample)`` onto each of ``estimates (speaker, batch, sample)``.

    Estimates must follow the waveform, as those that were trained with SI-SDR do.
    """
    power = np.square(estimates).sum(-1, keepdims=True)
    return estimates * ((mixture * estimates).sum(-1, keepdims=True) / np.maximum(power, 1e-8))


def by_power(mixture: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scale ``estimates (speaker, batch, sample)`` so that their power spectra add up to that of the mixture.

    The gains are those with the least squared error, drawn towards a common one where estimates sound alike. Unlike a
    projection, this does not need the phase of the mixture, which the decoder of a codec may not keep (Codecformer-EL
    reports SI-SDR down to -29 dB with PESQ 1.9).

    Args:
        mixture: ``(batch, sample)``.
        estimates: ``(speaker, batch, sample)`` at any levels.
    """
    gains = np.ones(estimates.shape[:2], estimates.dtype)
    for index, recording in enumerate(mixture):
        spectra = np.stack([_power_spectra(estimate[index]).ravel() for estimate in estimates])
        # At equal levels, the ridge and the criterion of convergence mean the same for all estimates.
        norms = np.linalg.norm(spectra, axis=1).clip(min=SILENCE)
        spectra /= norms[:, None]
        powers = _least_squares(spectra @ spectra.T, spectra @ _power_spectra(recording).ravel())
        gains[:, index] = np.where(norms > SILENCE, np.sqrt(powers / norms), 0.0)
    return estimates * gains[..., None]


def _power_spectra(samples: np.ndarray) -> np.ndarray:
    """Return ``(frame, bin)`` of half-overlapping frames."""
    samples = np.pad(samples.astype(np.float64), (0, FRAME))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[:: FRAME // 2]
    return np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=-1)))


def _least_squares(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Minimise ``x' matrix x - 2 vector' x`` over positive ``x`` by coordinate descent from a common factor.

    The diagonal of ``matrix (n, n)`` holds ones, or zeros where an estimate is silent.
    """
    common = max(vector.sum() / max(matrix.sum(), 1e-20), 0.0)
    solution = np.full(len(vector), common)
    similarity = (matrix - np.diag(np.diag(matrix))).max(1)
    ridges = RIDGE + RIDGE_OF_SAME * similarity**SHARPNESS
    for _ in range(NUM_ROUNDS):
        for index, row in enumerate(matrix):
            rest = vector[index] - row @ solution + row[index] * solution[index] + ridges[index] * common
            solution[index] = max(rest / (row[index] + ridges[index]), FLOOR * common)
    return solution
