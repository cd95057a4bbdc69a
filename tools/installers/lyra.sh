#!/usr/bin/env bash
# Downloads the codec Lyra V2 (Google, Apache-2.0, 3.6 MB):  tools/installers/lyra.sh [FOLDER]
#
# Three files of https://github.com/google/lyra at a fixed commit, verified by their SHA-256. Without FOLDER they go
# where --codec lyra_v2 looks for them: $CODECSE_LYRA, or lyra_v2 in the package's cache. A second call does nothing.
#   CODECSE_LYRA_URL=URL    another address of the same files, such as file:///path/lyra/model_coeffs
set -euo pipefail

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
fi
. "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/activate.sh"
commit=47698dadf0010abff6a848e02642f55f806d4842
url=${CODECSE_LYRA_URL:-https://raw.githubusercontent.com/google/lyra/${commit}/lyra/model_coeffs}

exec python3 - "${url%/}" "$@" <<'PYTHON'
import sys
from pathlib import Path

from espnet_codecse.codec.resolve import LYRA, lyra_folder
from espnet_codecse.corpus.download import download
from espnet_codecse.errors import UserError
from espnet_codecse.fileio import sha256_of

FILES = {
    "soundstream_encoder.tflite": "237da0b16226fb0a68d49551c81bebf614e42142af72764448359f68581e88f1",
    "quantizer.tflite": "841ee05989687d32d1f616a8ad1419fc7eda37599d3c05c7cf5a0d60ccf8ac5c",
    "lyragan.tflite": "50e7839cda4f30599a3a34cfaddcd9c98449b049eee884e1a74295780448ad06",
}
url, *given = sys.argv[1:]
folder = Path(given[0]).expanduser() if given else lyra_folder()
try:
    for name, sha256 in FILES.items():
        path = folder / name
        if path.is_file() and sha256_of(path) != sha256:
            raise UserError(f"{path}: unexpected content (SHA-256 differs); remove it and run this again")
        download(f"{url}/{name}", path, sha256)
except UserError as error:
    sys.exit(f"lyra.sh: {error}")
print(f"{folder}: Lyra V2 is complete; use it with --codec {LYRA if folder == lyra_folder() else folder}")
PYTHON
