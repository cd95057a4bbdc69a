#!/usr/bin/env bash
# Sorts a data directory, keeps the ids that all its files have, and rewrites spk2utt:  utils/fix_data_dir.sh DIR
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../tools/bin/codecse" data_dir fix "$@"
