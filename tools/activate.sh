# Source this file (bash, also under set -euo pipefail) to activate the environment of recipes and tests.
#
# An active environment with all requirements is used as it is; ESPnet may be a package, on PYTHONPATH, or a source tree
# at ESPNET_ROOT or MAIN_ROOT. Otherwise tools/venv is used, and installed on first use. PYTHON=python3.12 selects an
# environment of that Python, even if another one is active; see tools/install.sh.

_codecse_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Whether python3 on the PATH finds all requirements; nothing is imported, so this takes only 0.1 s.
_codecse_ready() {
    python3 - 2>/dev/null <<'PYTHON'
import sys
from importlib.util import find_spec

names = ["torch", "torchaudio", "espnet2", "kaldiio", "soundfile", "soxr", "yaml", "numpy", "tqdm"]
sys.exit(not ((3, 10) <= sys.version_info < (3, 14) and all(find_spec(name) for name in names)))
PYTHON
}

# Whether python3 on the PATH has the version that PYTHON selects, if PYTHON is set.
_codecse_wanted() {
    [ -z "${PYTHON:-}" ] || [ "$("${_codecse_root}/tools/find_python.sh" "${PYTHON}" | cut -d " " -f 1)" = \
        "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" ]
}

for _codecse_espnet in "${ESPNET_ROOT:-}" "${MAIN_ROOT:-}"; do
    if [ -n "${_codecse_espnet}" ] && [ -d "${_codecse_espnet}/espnet2" ]; then
        export PYTHONPATH="${_codecse_espnet}${PYTHONPATH:+:${PYTHONPATH}}"
        break
    fi
done
_codecse_venv=${VIRTUAL_ENV:-}
if ! _codecse_ready || ! _codecse_wanted; then
    _codecse_venv=$("${_codecse_root}/tools/install.sh" --print-venv) || return 1 2>/dev/null || exit 1
fi
case ${_codecse_venv} in
    "${_codecse_root}/tools/venv"*)
        "${_codecse_root}/tools/install.sh" --venv "${_codecse_venv}" || return 1 2>/dev/null || exit 1
        if [ "${VIRTUAL_ENV:-}" != "${_codecse_venv}" ]; then
            . "${_codecse_venv}/bin/activate"
        fi
        ;;
esac
case ":${PYTHONPATH:-}:" in
    *":${_codecse_root}:"*) ;;
    *) export PYTHONPATH="${_codecse_root}${PYTHONPATH:+:${PYTHONPATH}}" ;;
esac
# `codecse` runs this tree, even if the package is not installed or another copy of it is.
case ":${PATH}:" in
    *":${_codecse_root}/tools/bin:"*) ;;
    *) export PATH="${_codecse_root}/tools/bin:${PATH}" ;;
esac
# Threads spin for microseconds only while they wait, not for milliseconds: spinning ones block other processes.
if [ -z "${OMP_WAIT_POLICY+x}" ]; then export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-2000}; fi
unset _codecse_root _codecse_espnet _codecse_venv
unset -f _codecse_ready _codecse_wanted
