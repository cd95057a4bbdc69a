#!/usr/bin/env bash
# Runs the linters:  test/lint.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/activate.sh
if ! python3 -c 'import ruff, mypy' 2> /dev/null; then
    echo "test/lint.sh: no ruff or mypy in this environment; run python3 -m pip install -e '.[dev]'" >&2
    exit 1
fi
python3 -m ruff check .
python3 -m ruff format --check .
python3 -m mypy
