#!/usr/bin/env bash
# Checks a data directory:  utils/validate_data_dir.sh [--num_references N] [--no_files] DIR
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../tools/bin/codecse" data_dir validate "$@"
