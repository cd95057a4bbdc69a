"""Groups of utterances for breakdowns: by SNR of the mixture, kind of noise, speaker."""

from pathlib import Path

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp

Groups = dict[str, dict[str, str]]
"""``{heading: {utterance: group}}``."""

SNR, NOISE, SPEAKER = "By SNR of the mixture", "By noise", "By speaker"
LARGEST_NUMBER = 12  # more columns than that nobody reads
SNR_STEP = 5.0  # dB, where there are more levels


def read_groups(data_dir: Path) -> Groups:
    """Read ``utt2snr`` (dB), ``utt2noise`` and ``utt2spk`` of a data directory, as far as they are there.

    Levels of SNR beyond :data:`LARGEST_NUMBER` are taken together in steps of 5 dB; noises and speakers beyond it, or
    a single one, give no breakdown.

    Raises:
        UserError: an SNR is no number.
    """
    groups: Groups = {}
    if (data_dir / "utt2snr").is_file():
        groups[SNR] = _levels(data_dir / "utt2snr")
    for heading, name in ((NOISE, "utt2noise"), (SPEAKER, "utt2spk")):
        if (data_dir / name).is_file():
            table = read_scp(data_dir / name)
            if 1 < len(set(table.values())) <= LARGEST_NUMBER:
                groups[heading] = dict(sorted(table.items(), key=lambda item: (item[1], item[0])))
    return groups


def _levels(path: Path) -> dict[str, str]:
    try:
        levels = {key: float(value) for key, value in read_scp(path).items()}
    except ValueError as error:
        raise UserError(f"{path}: not a number in dB ({error}); correct the file") from None
    ordered = dict(sorted(levels.items(), key=lambda item: (item[1], item[0])))
    if len(set(levels.values())) <= LARGEST_NUMBER:
        return {key: f"{level:g} dB" for key, level in ordered.items()}
    lows = {key: SNR_STEP * int(np.floor(level / SNR_STEP)) for key, level in ordered.items()}
    return {key: f"{low:g} to {low + SNR_STEP:g} dB" for key, low in lows.items()}


def names_in_order(heading: str, tables: list[dict[str, str]]) -> list[str]:
    """Return the groups of several sets, each once: SNRs from low to high, others in the tables' own order."""
    names = list(dict.fromkeys(name for table in tables for name in table.values()))
    return sorted(names, key=lambda name: float(name.split()[0])) if heading == SNR else names
