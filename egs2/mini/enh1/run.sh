#!/usr/bin/env bash
# mini: any folders of recordings, or synthesised speech and noise if none are given.
#   run.sh [--clean_dir DIR] [--noise_dir DIR] [--room_dir DIR] [options of enh.sh]
set -e
set -u
set -o pipefail

local_data_opts=
. "$(dirname "${BASH_SOURCE[0]}")/local/options.sh"
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh.sh \
    --train_set train \
    --valid_set valid \
    --test_sets test \
    --fs 16k \
    --codec small \
    --system nac_se \
    --local_data_opts "${local_data_opts# }" \
    "${opts[@]}"
