"""The real test set of CHiME-3: speech that was read in a bus, a cafe, a pedestrian area and a street; no references.

USE-DDP (2509.22942) was tested on it. No source says on which of the six microphones: channel 5, which faces the
speaker and is usual where one channel is used, is taken.
"""

from pathlib import Path
from typing import Any

from espnet_codecse.corpus.location import check_count
from espnet_codecse.corpus.prepared_set import Rejected, spread, write_prepared_set
from espnet_codecse.corpus.recording import recording_info
from espnet_codecse.errors import UserError

NAME = "chime3_real"
COUNT = 1320  # utterances of et05_{bus,caf,ped,str}_real
KINDS = {"BUS": "bus", "CAF": "cafe", "PED": "pedestrian", "STR": "street"}


def find_real(root: Path, incomplete: bool = False) -> dict[str, Path]:
    """Return ``{speaker_prompt_PLACE: file}`` of the real test set, channel 5.

    Raises:
        UserError: there are none, or fewer than published.
    """
    files = sorted(root.glob("**/isolated/et05_*_real/*.CH5.wav"))
    found = {path.name.split(".")[0]: path for path in files if not path.name.startswith(".")}
    if not found:
        raise UserError(f"{root}: has no data/audio/16kHz/isolated/et05_*_real with *.CH5.wav; leave out --real")
    check_count(root, len(found), COUNT, "utterances in et05_*_real", "copy the corpus again", incomplete)
    return found


def prepare_real(root: Path, target: Path, subset: int = 0, incomplete: bool = False) -> str:
    """Write ``target/chime3_real``, with the corpus's own recordings; returns a line on it.

    Args:
        root: folder of CHiME-3.
        target: folder of the data directories.
        subset: number of utterances; 0 for all.
        incomplete: take what is there.

    Raises:
        UserError: see :func:`find_real`; or no recording can be used.
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in ("wav.scp", "utt2spk", "utt2fs", "utt2num_samples")}
    tables["utt2noise"] = {}
    rejected: list[Rejected] = []
    for key, path in spread(find_real(root, incomplete), subset).items():
        try:
            num_samples, rate, channels = recording_info(path)
            if channels != 1:
                raise UserError(f"{path}: {channels} channels instead of 1")
        except UserError as error:
            rejected.append((key, str(path), str(error).replace(f"{path}: ", "")))
            continue
        place = key.rsplit("_", 1)[-1]
        tables["wav.scp"][key] = str(path)
        tables["utt2spk"][key] = key.split("_")[0]
        tables["utt2fs"][key] = rate
        tables["utt2num_samples"][key] = num_samples
        tables["utt2noise"][key] = KINDS.get(place, place.lower())
    return write_prepared_set(target / NAME, tables, rejected)
