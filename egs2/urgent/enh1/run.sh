#!/usr/bin/env bash
# urgent: URGENT 2024 challenge, mixtures simulated once at the codec's rate; tested on VoiceBank-DEMAND.
#   run.sh [options of enh.sh]; --local_data_opts holds options of stage 1, such as "--num_train 100000"
set -e
set -u
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh.sh \
    --train_set train \
    --valid_set validation \
    --test_sets vctk_demand_test \
    --fs 16k \
    --codec dac_16khz \
    --system nac_se \
    --data_note "trained on URGENT 2024, tested on VoiceBank-DEMAND, 824 utterances at 2.5 to 17.5 dB SNR" \
    "$@"
