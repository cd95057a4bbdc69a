#!/usr/bin/env bash
# Runs all tests, installing what is missing first:  test/run.sh [pytest options]
#   test/run.sh -m "not slow"    the quick ones alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/activate.sh
# One thread a process: the processes share the cores, and small tensors are faster so.
export LC_ALL=C OMP_NUM_THREADS=1 PYTHONIOENCODING=UTF-8 PYTHONUTF8=1
parallel=()
if python3 -c 'import xdist' 2>/dev/null; then
    # A process that has finished takes tests from another one, which may have several recipes before it.
    parallel=(--dist worksteal -n "$(python3 -c 'from espnet_codecse.job.resources import num_cores; print(num_cores())')")
fi
exec python3 -m pytest -q ${parallel[@]+"${parallel[@]}"} "$@"
