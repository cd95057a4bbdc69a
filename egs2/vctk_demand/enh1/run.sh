#!/usr/bin/env bash
# vctk_demand: VoiceBank-DEMAND, 28 training speakers, at the codec's rate.
#   run.sh [options of enh.sh]; --local_data_opts holds options of stage 1, such as "--speakers 84 --download"
set -e
set -u
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh.sh \
    --train_set train \
    --valid_set valid \
    --test_sets test \
    --fs 16k \
    --codec dac_16khz \
    --system nac_se \
    --data_note "VoiceBank-DEMAND, 824 test utterances at 2.5 to 17.5 dB SNR" \
    "$@"
