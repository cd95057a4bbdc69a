#!/usr/bin/env bash
# wsj0_2mix: WSJ0-2mix, two speakers, 8 kHz "min" mixtures as in the papers, resampled to the codec's rate by stage 2.
#   run.sh --codec espnet/amuse_dac_16k --system codecformer_el [options of enh.sh]; ../README.md lists the published ones.
#   --local_data_opts holds options of stage 1, such as "--lists FOLDER". Other mixtures:
#   run.sh --local_data_opts "--mix_fs 16k --min_or_max max" --train_set tr_max_16k --valid_set cv_max_16k --test_sets tt_max_16k
set -e
set -u
set -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./enh.sh \
    --train_set tr_min_8k \
    --valid_set cv_min_8k \
    --test_sets tt_min_8k \
    --num_spk 2 \
    --fs 16k \
    --score_fs 8k \
    --metrics "SI_SDR SI_SDRi SDR SDRi PESQ_NB STOI DNSMOS_PEAK" \
    --codec dac_16khz \
    --system codecformer_el \
    --data_note "WSJ0-2mix, 3,000 test mixtures of two speakers, 8 kHz min" \
    "$@"
