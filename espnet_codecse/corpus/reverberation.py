"""Room responses of random shoebox rooms, simulated with pyroomacoustics (image sources).

The reference of a reverberant mixture is by default the dry speech moved and scaled to the direct path: an
enhancement model shall remove the room as well as the noise, and only a target that is aligned with the mixture gives
SI-SDR and a waveform loss a meaning. ``early`` keeps the first 50 ms of reflections, which help intelligibility and are
often left in the target.
"""

import numpy as np

from espnet_codecse.errors import UserError

TARGETS = ("dry", "early")
EARLY_SECONDS = 0.05
MAX_ORDER = 40
MIN_DISTANCE = 0.4  # metres between talker and microphone


def random_room_response(
    rng: np.random.Generator,
    rate: int,
    rt60_range: tuple[float, float] = (0.15, 0.6),
    floor_range: tuple[float, float] = (3.0, 8.0),
    height_range: tuple[float, float] = (2.4, 3.5),
) -> tuple[np.ndarray, int]:
    """Simulate the response from a talker to a microphone in a random room.

    Args:
        rng: source of the room, its RT60 and both positions.
        rate: sample rate, Hz.
        rt60_range: reverberation time, seconds.
        floor_range, height_range: length and width, height, metres.

    Returns:
        ``(response (num_samples,) float32 with direct path of 1, sample of the direct path)``.
    """
    import pyroomacoustics

    room_size = np.array([rng.uniform(*floor_range), rng.uniform(*floor_range), rng.uniform(*height_range)])
    rt60 = rng.uniform(*rt60_range)
    # A small dry room cannot have a long RT60 and a large one not a very short one; move to what Sabine's law allows.
    while True:
        try:
            absorption, max_order = pyroomacoustics.inverse_sabine(rt60, room_size)
            break
        except ValueError:
            rt60 *= 1.2
    room = pyroomacoustics.ShoeBox(
        room_size, fs=rate, materials=pyroomacoustics.Material(absorption), max_order=min(max_order, MAX_ORDER)
    )
    margin = 0.5
    distance = 0.0
    while distance < MIN_DISTANCE:
        microphone = rng.uniform(margin, room_size - margin)
        source = rng.uniform(margin, room_size - margin)
        distance = float(np.linalg.norm(source - microphone))
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    response = np.asarray(room.rir[0][0], dtype=np.float64)
    delay = (
        distance / pyroomacoustics.constants.get("c") * rate + pyroomacoustics.constants.get("frac_delay_length") // 2
    )
    direct = round(delay)
    # The peak of the band-limited direct path, searched near its geometric place: a later reflection may be larger.
    start = max(0, direct - 8)
    direct = start + int(np.argmax(np.abs(response[start : direct + 9])))
    return (response / response[direct]).astype(np.float32), direct


def with_unit_direct_path(response: np.ndarray, path: str) -> tuple[np.ndarray, int]:
    """Scale a recorded ``response (num_samples,)`` to a direct path of 1, taken to be its largest sample.

    Returns:
        ``(response (num_samples,), sample of the direct path)``.

    Raises:
        UserError: the response, recorded in the file ``path``, is silent.
    """
    if not np.any(response):
        raise UserError(f"{path}: the room response is silent")
    direct = int(np.argmax(np.abs(response)))
    return response / response[direct], direct


def reverberate(
    speech: np.ndarray, response: np.ndarray, direct: int, rate: int, target: str = "dry"
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(reverberant speech, its reference)``, both ``(num_samples,)`` as ``speech`` and aligned with it.

    Args:
        speech: dry speech.
        response: room response with a direct path of 1 at sample ``direct``.
        rate: sample rate, Hz.
        target: ``dry`` (the speech at the direct path) or ``early`` (direct path and 50 ms of reflections).
    """
    if target not in TARGETS:
        raise ValueError(f"target '{target}' is none of {', '.join(TARGETS)}")
    reverberant = _convolve(speech, response)[direct : direct + len(speech)]
    if target == "dry":
        return reverberant.astype(np.float32), speech
    early = response[: direct + int(EARLY_SECONDS * rate)]
    return reverberant.astype(np.float32), _convolve(speech, early)[direct : direct + len(speech)].astype(np.float32)


def _convolve(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    num_samples = len(signal) + len(response) - 1
    size = 1 << (num_samples - 1).bit_length()
    spectrum = np.fft.rfft(signal, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[:num_samples]
