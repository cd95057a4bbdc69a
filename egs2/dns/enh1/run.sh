#!/usr/bin/env bash
# dns: DNS-Challenge, Interspeech 2020: simulated training clips, synthetic test set, at the codec's rate.
#   run.sh [options of enh.sh]; --local_data_opts holds options of stage 1, such as "--hours 500 --snr_range 0 40"
set -e
set -u
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh.sh \
    --train_set train \
    --valid_set valid \
    --test_sets "no_reverb with_reverb real_recordings" \
    --fs 16k \
    --max_duration 31 \
    --codec dac_16khz \
    --system nac_se \
    --data_note "DNS-Challenge 2020, synthetic test set, 150 clips without and 150 with reverberation, 0 to 20 dB SNR; 300 real recordings without reference" \
    "$@"
