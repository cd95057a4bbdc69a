#!/usr/bin/env bash
# The small codec that the package carries, on the clean speech of any folder (one sub-folder a speaker).
#   run.sh [--clean_dir DIR] [--noise_dir DIR] [options of codec.sh]
set -e
set -u
set -o pipefail

# Paths on the command line are the caller's, the recipe runs in its own folder.
local_data_opts="--num_train 1 --num_valid 1"   # mixtures are made along, but not needed
opts=()
while [ $# -gt 0 ]; do
    case $1 in
        --clean_dir | --noise_dir)
            folder=$(realpath "${2:?value of $1 is missing}")
            printf -v local_data_opts '%s %s %q' "${local_data_opts}" "$1" "${folder}"
            shift 2
            ;;
        --local_data_opts) local_data_opts+=" ${2?value of $1 is missing}"; shift 2 ;;
        *) opts+=("$1"); shift ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")"

./codec.sh \
    --train_set clean_train \
    --valid_set clean_valid \
    --test_set clean_test \
    --fs 16k \
    --local_data_opts "${local_data_opts}" \
    "${opts[@]}"
