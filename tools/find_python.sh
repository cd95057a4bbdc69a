#!/usr/bin/env bash
# Prints "VERSION PATH" for each suitable Python of this machine, newest first:  tools/find_python.sh [NAME]
#
# Suitable is any Python 3.10 to 3.13 that runs and can create environments, including those of pyenv that its shims do
# not select. NAME (python3.12, or a path) restricts the search to the first match on the PATH. The status is 1 if there
# is none.
set -euo pipefail
shopt -s nullglob

PROBE='import sys, sysconfig, venv, ensurepip
suitable = (3, 10) <= sys.version_info < (3, 14) and not sysconfig.get_config_var("Py_GIL_DISABLED")
print("%d.%d" % sys.version_info[:2], sys.executable) if suitable else sys.exit(1)'

names=(python3.13 python3.12 python3.11 python3.10 python3 python)
order=(sort --stable --reverse --version-sort --key "1,1")
if [ $# -gt 0 ]; then
    names=("$1")
    order=(head -n 1)
fi
candidates=("${names[@]}")
for name in "${names[@]}"; do
    [[ ${name} == */* ]] || candidates+=("${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/"${name}")
done
for candidate in "${candidates[@]}"; do
    "${candidate}" -c "${PROBE}" 2>/dev/null || true
done | "${order[@]}" | awk '!seen[$1]++ { print; any = 1 } END { exit !any }'
