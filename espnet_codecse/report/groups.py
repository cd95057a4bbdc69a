"""Groups of utterances used for breakdowns: by SNR of the mixture, noise and speaker."""

from pathlib import Path

import numpy as np

from espnet_codecse.errors import UserError
from espnet_codecse.fileio import read_scp

Groups = dict[str, dict[str, str]]
"""``{heading: {utterance: group}}``."""

SNR, NOISE, SPEAKER = "By SNR of the mixture", "By noise", "By speaker"
LARGEST_NUMBER = 12  # of groups; wider tables are unreadable
SNR_STEP = 5.0  # dB; width of the groups if there are more SNRs


def read_groups(data_dir: Path) -> Groups:
    """Read ``utt2snr`` (dB), ``utt2noise`` and ``utt2spk`` of a data directory, if they exist.

    More than :data:`LARGEST_NUMBER` SNRs are grouped in steps of 5 dB. More noises or speakers than that, or only one,
    give no breakdown.

    Raises:
        UserError: an SNR is not a number.
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
    """Return the groups of several sets without duplicates: SNRs in ascending order, others in order of occurrence."""
    names = list(dict.fromkeys(name for table in tables for name in table.values()))
    return sorted(names, key=lambda name: float(name.split()[0])) if heading == SNR else names
