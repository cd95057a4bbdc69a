#!/usr/bin/env bash
# Installs everything into tools/venv:  tools/install.sh
#
# Needs Python 3.10 to 3.13 with venv, its headers, and a C compiler. A second call does nothing. An interrupted
# installation is made again, and one from an older pyproject.toml is updated. A link is used and never changed. A Python version other than that of
# tools/venv gets a separate environment, such as tools/venv-3.12. --print-venv prints the environment that PYTHON
# selects; --venv FOLDER selects one by its folder.
#   PYTHON=python3.12              Python to use. Default: the newest suitable one; without a GPU the newest
#                                  one for which pip finds a CPU build of PyTorch, if any
#   CODECSE_TORCH_INDEX=URL        index of PyTorch wheels, such as PyTorch's index for CPU or for one CUDA version
#   CODECSE_NO_UV=1                install with pip alone
set -euo pipefail

TORCH_VERSION=2.13.0
ESPNET_VERSION=202511 # for Python below 3.12; pyproject.toml has the version for later ones
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "${tools}")
start=${SECONDS}

log() {
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (install.sh:${BASH_LINENO[0]}:${FUNCNAME[1]}) $*" >&2
}

minor_version() { # PYTHON
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

# Lines "VERSION PATH", newest first.
find_pythons() {
    "${tools}/find_python.sh" ${PYTHON:+"${PYTHON}"} && return 0
    log "no Python 3.10 to 3.13 with venv among: ${PYTHON:-python3.13 python3.12 python3.11 python3.10 python3 python};" \
        "install one (Debian: apt-get install python3 python3-venv python3-dev) or name it with PYTHON=/path/to/python"
    return 1
}

venv_folder() {
    local version installed
    if [ -n "${PYTHON:-}" ] && [ -f "${tools}/venv/.installed" ]; then
        version=$(find_pythons) || return 1
        installed=$(minor_version "${tools}/venv/bin/python" || true)
        if [ "${version%% *}" != "${installed}" ]; then
            echo "${tools}/venv-${version%% *}"
            return 0
        fi
    fi
    echo "${tools}/venv"
}

# Hash of the files that the environment was made from; the environment itself is not inspected.
fingerprint() {
    cat "${root}/pyproject.toml" "${tools}/install.sh" | sha256sum | cut -c1-64
}

is_complete() {
    [ -f "${marker}" ] && [ "$(cat "${marker}")" = "$(fingerprint) ${venv}" ]
}

has_gpu() {
    command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU
}

torch_index=()
[ -z "${CODECSE_TORCH_INDEX:-}" ] || torch_index=(--extra-index-url "${CODECSE_TORCH_INDEX}")

has_cpu_build() { # PIP PYTHON_VERSION; downloads only metadata
    "$1" install --quiet --dry-run --target "${venv}/nowhere" --python-version "$2" --only-binary :all: --no-deps \
        ${torch_index[@]+"${torch_index[@]}"} "torch==${TORCH_VERSION}+cpu" >/dev/null 2>&1
}

# Create an empty environment with the chosen Python; see PYTHON above.
make_environment() {
    local pythons version path chosen
    pythons=$(find_pythons) || return 1
    chosen=${pythons%%$'\n'*}
    python3_of "${chosen#* }"
    if ! has_gpu && [ "$(wc -l <<<"${pythons}")" -gt 1 ]; then
        while read -r version path; do
            if has_cpu_build "${venv}/bin/pip" "${version}"; then
                [ "${path}" = "${chosen#* }" ] || python3_of "${path}"
                break
            fi
        done <<<"${pythons}"
    fi
}

python3_of() { # PYTHON
    "$1" -m venv --clear "${venv}"
}

# PESQ and, with ESPnet 202511, ci_sdr are built from source. Check the requirements before the large downloads.
check_compiler() {
    local headers version
    version=$(minor_version "${venv}/bin/python")
    headers=$("${venv}/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    if ! command -v "${CC:-cc}" >/dev/null && ! command -v gcc >/dev/null; then
        log "no C compiler (cc), which pip needs to build PESQ; install one (Debian: apt-get install gcc)"
        return 1
    fi
    if [ ! -f "${headers}/Python.h" ]; then
        log "${headers}/Python.h is missing, which pip needs to build PESQ; install the headers of Python ${version}" \
            "(Debian: apt-get install python${version}-dev)"
        return 1
    fi
}

# torch comes first and by pip, because uv does not use a local folder of wheels (pip's find-links).
install_torch() {
    local pip=("${venv}/bin/pip" install --quiet ${torch_index[@]+"${torch_index[@]}"})
    if ! has_gpu && "${pip[@]}" "torch==${TORCH_VERSION}+cpu" 2>/dev/null; then
        return 0
    fi
    if ! has_gpu; then
        log "no GPU here and no CPU build of torch ${TORCH_VERSION} for Python $(minor_version "${venv}/bin/python")" \
            "in pip's index: downloading the default build (on x86_64 about 2.5 GB, 5 GB on disk); to avoid this," \
            "interrupt, set CODECSE_TORCH_INDEX to PyTorch's index of CPU wheels, and start again"
    fi
    "${pip[@]}" "torch==${TORCH_VERSION}"
}

# uv reads neither pip's settings nor the system's certificates, so without these it fails behind proxies and mirrors
# where pip works.
run_uv() {
    local index certificates
    index=${PIP_INDEX_URL:-$("${venv}/bin/pip" config get global.index-url 2>/dev/null || true)}
    certificates=${PIP_CERT:-$("${venv}/bin/pip" config get global.cert 2>/dev/null || true)}
    [ -z "${index}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${index}}"
    [ -z "${certificates}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-${certificates}}"
    # The same switch under its names in newer and older versions of uv.
    UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 VIRTUAL_ENV=${venv} \
        "${venv}/bin/uv" pip install --quiet --python "${venv}/bin/python" "$@"
}

takes_older_espnet() {
    case $(minor_version "${venv}/bin/python") in
        3.10 | 3.11) return 0 ;;
    esac
    return 1
}

# ESPnet 202511 pins setuptools<74, but torch needs >=77: ESPnet is installed without its dependencies, which
# pyproject.toml lists.
install_packages() { # INSTALLER
    "$1" -e "${root}[all]" || return 1
    if takes_older_espnet; then
        "$1" --no-deps "espnet==${ESPNET_VERSION}" ci_sdr espnet_model_zoo
    fi
}

install_with_uv() {
    "${venv}/bin/pip" install --quiet uv || return 1
    echo "torch==$(torch_version)" >"${venv}/torch.txt"
    UV_CONSTRAINT=${venv}/torch.txt install_packages run_uv
}

run_pip() {
    "${venv}/bin/pip" install --quiet --use-pep517 "$@"
}

install_with_pip() {
    # Newer versions of pip refuse ci_sdr, because one of its extras, which is not used here, is a URL.
    if takes_older_espnet; then "${venv}/bin/pip" install --quiet "pip==23.2.1"; fi
    install_packages run_pip
}

torch_version() {
    "${venv}/bin/python" -c 'import importlib.metadata; print(importlib.metadata.version("torch"))'
}

# torchaudio's wheel loads CUDA libraries at import. With a CPU build of torch, its pure-Python parts, which are all that
# ESPnet imports, work after the extension modules are removed.
mend_torchaudio() {
    case $(torch_version) in
        *+cpu) ;;
        *) return 0 ;;
    esac
    "${venv}/bin/python" - <<'PYTHON'
from importlib.util import find_spec
from pathlib import Path

for library in Path(find_spec("torchaudio").submodule_search_locations[0], "lib").glob("_torchaudio*.so"):
    library.unlink()
PYTHON
}

case ${1:-} in
    --venv) venv=$2 ;;
    --print-venv)
        venv_folder
        exit
        ;;
    "") venv=$(venv_folder) ;;
    *)
        log "$1: unknown option; known: --venv FOLDER, --print-venv"
        exit 2
        ;;
esac
if [ -L "${venv}" ]; then
    # The other clone installs it; its packages are used with the source of this tree.
    if "${venv}/bin/python" -c '' 2>/dev/null; then exit 0; fi
    log "${venv}: a link to $(readlink "${venv}"), where no Python runs; install there, or remove the link"
    exit 1
fi
marker=${venv}/.installed
if is_complete; then
    exit 0
fi
exec 9<"${tools}"
if command -v flock >/dev/null; then
    flock --nonblock 9 || { log "another installation is running; waiting for it"; flock 9; }
    if is_complete; then
        exit 0
    fi
fi

if [ -f "${marker}" ] && "${venv}/bin/python" -c '' 2>/dev/null; then
    rm -f "${marker}"
else
    make_environment # no marker: an interrupted installation may have left incomplete packages
fi
log "installing into ${venv} with $("${venv}/bin/python" --version) (a few minutes, 2 GB with a CPU build of torch)"
check_compiler
log "1/3 torch ${TORCH_VERSION}"
install_torch
wanted=$(torch_version)
log "2/3 espnet, codecs, metrics and the package itself"
if [ -n "${CODECSE_NO_UV:-}" ]; then
    install_with_pip
elif ! install_with_uv; then
    log "uv failed (see above); installing with pip, which takes longer"
    install_with_pip
fi
mend_torchaudio
log "3/3 check"
if [ "$(torch_version)" != "${wanted}" ]; then
    log "torch ${wanted} was replaced by $(torch_version); remove ${venv} and run tools/install.sh again"
    exit 1
fi
"${venv}/bin/python" -W ignore -c 'import kaldiio, soundfile, soxr, torchaudio, espnet2.tasks.enh, espnet_codecse' 2>&1 \
    | { grep -v -e nltk_data -e flash_attn -e "Flash Attention" || true; } >&2
echo "$(fingerprint) ${venv}" >"${marker}.part"
mv "${marker}.part" "${marker}"
log "done in $((SECONDS - start)) s"
