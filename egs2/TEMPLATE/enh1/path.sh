# Sourced by every script of a recipe; sets up the environment.

# Must come before MAIN_ROOT is set to this repository, because MAIN_ROOT may name an ESPnet source tree.
. "$(dirname "${BASH_SOURCE[0]}")/../../../tools/activate.sh"
MAIN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
export MAIN_ROOT
export LC_ALL=C            # data directories are sorted by bytes
export OMP_NUM_THREADS=1   # parallel jobs share the cores
export PYTHONIOENCODING=UTF-8 PYTHONUTF8=1
if [ -f local/path.sh ]; then
    . local/path.sh
fi
