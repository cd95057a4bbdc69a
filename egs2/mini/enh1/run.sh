#!/usr/bin/env bash
# mini: any folders of recordings, or synthesised speech and noise when none are given.
#   run.sh [--clean_dir DIR] [--noise_dir DIR] [options of enh.sh]
set -e
set -u
set -o pipefail

# Paths on the command line are the caller's, the recipe runs in its own folder.
local_data_opts=
opts=()
while [ $# -gt 0 ]; do
    case $1 in
        --clean_dir | --noise_dir)
            folder=$(realpath "${2:?value of $1 is missing}")
            printf -v local_data_opts '%s %s %q' "${local_data_opts}" "$1" "${folder}"
            shift 2
            ;;
        --codec) opts+=("$1" "$(if [ -e "${2?value of $1 is missing}" ]; then realpath "$2"; else echo "$2"; fi)"); shift 2 ;;
        --local_data_opts) local_data_opts+=" ${2?value of $1 is missing}"; shift 2 ;;
        *) opts+=("$1"); shift ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")"

./enh.sh \
    --train_set train \
    --valid_set valid \
    --test_sets test \
    --fs 16k \
    --codec small \
    --system nac_se \
    --local_data_opts "${local_data_opts# }" \
    "${opts[@]}"
