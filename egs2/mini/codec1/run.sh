#!/usr/bin/env bash
# Trains the small codec on the clean speech of any folder with one sub-folder per speaker.
#   run.sh [--clean_dir DIR] [--noise_dir DIR] [options of codec.sh]
set -e
set -u
set -o pipefail

local_data_opts="--num_train 1 --num_valid 1"   # stage 1 also makes mixtures, which are not needed
. "$(dirname "${BASH_SOURCE[0]}")/local/options.sh"
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./codec.sh \
    --train_set clean_train \
    --valid_set clean_valid \
    --test_set clean_test \
    --fs 16k \
    --local_data_opts "${local_data_opts}" \
    "${opts[@]}"
