#!/usr/bin/env bash
# wsj0_chime3: WSJ0 speech with CHiME-3 backgrounds at 0 to 20 dB SNR, at the codec's rate.
#   run.sh [options of enh.sh]; --local_data_opts holds options of stage 1, such as "--snr_range -6 14"
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
    --data_note "WSJ0-CHiME3, 651 test utterances at 0 to 20 dB SNR, in bins of 5 dB" \
    "$@"
