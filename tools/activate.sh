# Source this file (bash, also under set -euo pipefail): the environment for recipes and tests.
#
# An environment that is active and has what is needed is used as it is (ESPnet as a package, on PYTHONPATH, or as the
# source tree at ESPNET_ROOT or MAIN_ROOT); otherwise tools/venv is, and installed on first use.

_codecse_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Whether python3 on the PATH finds everything required; nothing heavy is imported, so that it takes 0.1 s.
_codecse_ready() {
    python3 - 2>/dev/null <<'PYTHON'
import sys
from importlib.util import find_spec

names = ["torch", "torchaudio", "espnet2", "kaldiio", "soundfile", "soxr", "yaml", "numpy", "tqdm"]
sys.exit(not ((3, 10) <= sys.version_info < (3, 13) and all(find_spec(name) for name in names)))
PYTHON
}

for _codecse_espnet in "${ESPNET_ROOT:-}" "${MAIN_ROOT:-}"; do
    if [ -n "${_codecse_espnet}" ] && [ -d "${_codecse_espnet}/espnet2" ]; then
        export PYTHONPATH="${_codecse_espnet}${PYTHONPATH:+:${PYTHONPATH}}"
        break
    fi
done
if ! _codecse_ready; then
    "${_codecse_root}/tools/install.sh" || return 1 2>/dev/null || exit 1
    . "${_codecse_root}/tools/venv/bin/activate"
elif [ "${VIRTUAL_ENV:-}" = "${_codecse_root}/tools/venv" ]; then
    "${_codecse_root}/tools/install.sh" || return 1 2>/dev/null || exit 1
fi
case ":${PYTHONPATH:-}:" in
    *":${_codecse_root}:"*) ;;
    *) export PYTHONPATH="${_codecse_root}${PYTHONPATH:+:${PYTHONPATH}}" ;;
esac
# `codecse` is this tree's, also where the package is not installed or another copy of it is.
case ":${PATH}:" in
    *":${_codecse_root}/tools/bin:"*) ;;
    *) export PATH="${_codecse_root}/tools/bin:${PATH}" ;;
esac
unset _codecse_root _codecse_espnet
unset -f _codecse_ready
