#!/usr/bin/env bash
# Installs everything into tools/venv:  tools/install.sh
#
# Needs Python 3.10 to 3.12 with venv and a C compiler. A second call does nothing; an install that was killed is
# made again; one of an older setup.py is brought up to date.
#   PYTHON=python3.11              Python to use (default: the first suitable one of python3, python3.12, ...)
#   CODECSE_TORCH_INDEX=URL        index of PyTorch wheels, e.g. PyTorch's own of the CPU build or of one CUDA version
#   CODECSE_NO_UV=1                install with pip alone
set -euo pipefail

TORCH_VERSION=2.13.0
ESPNET_VERSION=202511
TORCHAUDIO_VERSION=2.11.0    # the last one; it goes with any later torch
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "${tools}")
venv=${tools}/venv
marker=${venv}/.installed
start=${SECONDS}

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (install.sh:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*" >&2
}

# What the environment was made from; it is compared, never the contents of the environment itself.
fingerprint() {
    cat "${root}/setup.py" "${tools}/overrides.txt" "${tools}/espnet_needs.txt" "${tools}/install.sh" \
        | sha256sum | cut -c1-64
}

is_complete() {
    [ -f "${marker}" ] && [ "$(cat "${marker}")" = "$(fingerprint) ${venv}" ]
}

# Print the first Python of a suitable version that can make environments (pyenv's shims exist without working).
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10 python}; do
        if "${candidate}" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
            2>/dev/null; then
            command -v "${candidate}"
            return 0
        fi
    done
    log "no Python 3.10 to 3.12 with venv among: ${PYTHON:-python3 python3.12 python3.11 python3.10 python};" \
        "install one (Debian: apt-get install python3 python3-venv python3-dev) or name it with PYTHON=/path/to/python"
    return 1
}

has_gpu() {
    command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU
}

# torch first and by pip, which knows a local folder of wheels (pip's find-links); uv does not.
install_torch() {
    local index=()
    [ -z "${CODECSE_TORCH_INDEX:-}" ] || index=(--extra-index-url "${CODECSE_TORCH_INDEX}")
    if ! has_gpu \
        && "${venv}/bin/pip" install --quiet ${index[@]+"${index[@]}"} "torch==${TORCH_VERSION}+cpu" 2>/dev/null; then
        return 0
    fi
    if ! has_gpu; then
        log "no GPU here and no CPU build of torch ${TORCH_VERSION} among pip's sources: taking the default build," \
            "which is large; to avoid it set CODECSE_TORCH_INDEX to PyTorch's index of CPU wheels"
    fi
    "${venv}/bin/pip" install --quiet ${index[@]+"${index[@]}"} "torch==${TORCH_VERSION}"
}

# uv solves in seconds what pip cannot solve at all: espnet's pins contradict torch's (see overrides.txt).
install_with_uv() {
    "${venv}/bin/pip" install --quiet uv || return 1
    local constraints=${venv}/torch.txt
    echo "torch==$(torch_version)" >"${constraints}"
    VIRTUAL_ENV=${venv} "${venv}/bin/uv" pip install --quiet --python "${venv}/bin/python" \
        --override "${tools}/overrides.txt" --constraint "${constraints}" -e "${root}[all]"
}

# pip cannot solve espnet's pins, and newer ones refuse ci_sdr (one of its extras is a URL): so its needs by name, and
# ESPnet itself last, without them, by a pip that takes ci_sdr.
install_with_pip() {
    local pip=("${venv}/bin/pip" install --quiet)
    "${pip[@]}" "pip==23.2.1"
    "${pip[@]}" "setuptools>=77" wheel
    "${pip[@]}" --use-pep517 -r "${tools}/espnet_needs.txt" \
        -e "${root}[metrics,codecs,lyra,diffusion,onnx,mini,plot,slurm,dev]"
    "${pip[@]}" --use-pep517 --no-deps ci_sdr "espnet==${ESPNET_VERSION}" espnet_model_zoo
}

torch_version() {
    "${venv}/bin/python" -c 'import importlib.metadata; print(importlib.metadata.version("torch"))'
}

# ESPnet imports torchaudio. Its wheel loads CUDA libraries at import; without its extension modules the pure-Python
# parts work. Without its needs: it would replace torch by an older one.
install_torchaudio() {
    "${venv}/bin/pip" install --quiet --no-deps "torchaudio==${TORCHAUDIO_VERSION}"
    local lib
    case $(torch_version) in
        *+cpu) ;;
        *) return 0 ;;
    esac
    lib=$("${venv}/bin/python" -c 'import importlib.util as util
spec = util.find_spec("torchaudio")
print(spec.submodule_search_locations[0] if spec else "")')/lib
    if compgen -G "${lib}/_torchaudio*.so" >/dev/null; then
        rm -f "${lib}"/_torchaudio*.so
    fi
}

if is_complete; then
    exit 0
fi
exec 9<"${tools}"
if command -v flock >/dev/null; then
    flock --nonblock 9 || { log "another install is running; waiting for it"; flock 9; }
    if is_complete; then
        exit 0
    fi
fi

python=$(find_python)
log "installing into ${venv} with $("${python}" --version) (a few minutes, about 2 GB)"
if [ -f "${marker}" ] && "${venv}/bin/python" -c '' 2>/dev/null; then
    rm -f "${marker}"
else
    "${python}" -m venv --clear "${venv}" # no marker: a killed install may have left half a package
fi
log "1/3 torch ${TORCH_VERSION}"
install_torch
wanted=$(torch_version)
log "2/3 espnet ${ESPNET_VERSION}, codecs, metrics and the package itself"
if [ -n "${CODECSE_NO_UV:-}" ]; then
    install_with_pip
elif ! install_with_uv; then
    log "uv is not available or failed; installing with pip, which takes longer"
    install_with_pip
fi
install_torchaudio
log "3/3 check"
if [ "$(torch_version)" != "${wanted}" ]; then
    log "torch ${wanted} was replaced by $(torch_version); remove ${venv} and run tools/install.sh again"
    exit 1
fi
"${venv}/bin/python" -W ignore -c 'import kaldiio, soundfile, soxr, torchaudio, espnet2.tasks.enh, espnet_codecse' 2>&1 \
    | { grep -v nltk_data || true; } >&2
echo "$(fingerprint) ${venv}" >"${marker}.part"
mv "${marker}.part" "${marker}"
log "done in $((SECONDS - start)) s"
