#!/usr/bin/env bash
set -e
set -u
set -o pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../../../../utils/log.sh"
SECONDS=0

datadir=data                 # folder of the data directories
fs=16k                       # sample rate, such as 16000 or 16k
nj=0                         # processes; 0: one per core
clean_dir=                   # clean recordings, one folder per speaker, or train/valid/test folders; default: synthesised
noise_dir=                   # noise recordings
room_dir=                    # recorded room responses for dynamic mixing: <datadir>/rooms_train
test_room_dir=               # recorded room responses for the test mixtures; default: their rooms are simulated
num_speakers=1               # speakers in a mixture, 1 to 3; --num_spk of run.sh sets it
snr_range="-5 20"            # SNR, dB (train and valid)
test_snrs="-5 0 5 10 15"     # SNRs of the test mixtures, in turn, dB
ratio_range="-5 5"           # level of the first speaker relative to each other one, dB (train and valid)
level_range="-35 -15"        # level of the mixtures, dBFS (train and valid)
noise_probability=           # share of mixtures with noise; default: 1, or 0 for several speakers
reverb_probability=0.2       # share of mixtures in a simulated room (train and valid)
test_reverb_probability=0    # the same for test
rt60_range="0.15 0.6"        # reverberation time, seconds
reverb_target=dry            # reference of a reverberant mixture: dry or early
num_train=0                  # train mixtures; 0: 300 if synthesised, else train_copies per utterance
num_valid=0                  # valid mixtures; 0: 30 if synthesised, else 2 per utterance
train_copies=4               # mixtures per train utterance
num_extra_noises=0           # synthesised noises, including babble, added to the train noises
extra_noise_kinds=           # their kinds, in turn; default: all that a synthesised corpus has, not fan, engine and crowd
num_altered_noises=0         # altered train noises (speed, colour, direction, sums of two) added to the train noises
drift_probability=0          # share of altered noises whose colour and level change over time
num_rooms=0                  # simulated room responses that join them
max_duration=8               # longer train and valid speech is cut, seconds
seed=0                       # seed of train and valid; the test set never changes

help_message="Usage: local/data.sh [options]
Writes <datadir>/{train,valid,test} and <datadir>/{clean,noise}_{train,valid,test}. Options (defaults):
  --datadir ${datadir}
  --fs ${fs}  --nj ${nj}  --num_speakers ${num_speakers}
  --clean_dir DIR  --noise_dir DIR  --room_dir DIR  --test_room_dir DIR
  --snr_range \"${snr_range}\"  --test_snrs \"${test_snrs}\"  --ratio_range \"${ratio_range}\"  --level_range \"${level_range}\"
  --noise_probability P  --reverb_probability ${reverb_probability}
  --test_reverb_probability ${test_reverb_probability}  --rt60_range \"${rt60_range}\"  --reverb_target ${reverb_target}
  --num_train ${num_train}  --num_valid ${num_valid}  --train_copies ${train_copies}
  --num_extra_noises ${num_extra_noises}  --extra_noise_kinds \"KIND ...\"  --num_altered_noises ${num_altered_noises}
  --drift_probability ${drift_probability}  --num_rooms ${num_rooms}
  --max_duration ${max_duration}  --seed ${seed}"

log "$0 $*"
. "$(dirname "${BASH_SOURCE[0]}")/../../../../utils/parse_options.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../../../utils/recipe_folder.sh"
. ./path.sh
. ./db.sh

if [ $# -ne 0 ]; then
    log "unexpected argument: $1; ${help_message}"
    exit 2
fi

# Ranges are two words of one option here, but two arguments of prepare_mini.
# shellcheck disable=SC2086
codecse prepare_mini --dst "${datadir}" --downloads "${MINI}" --fs "${fs}" --nj "${nj}" --num_speakers "${num_speakers}" \
    ${clean_dir:+--clean_dir "${clean_dir}"} ${noise_dir:+--noise_dir "${noise_dir}"} \
    ${room_dir:+--room_dir "${room_dir}"} ${test_room_dir:+--test_room_dir "${test_room_dir}"} \
    ${noise_probability:+--noise_probability "${noise_probability}"} \
    --snr_range ${snr_range} --test_snrs ${test_snrs} --ratio_range ${ratio_range} --level_range ${level_range} --rt60_range ${rt60_range} \
    --reverb_probability "${reverb_probability}" --test_reverb_probability "${test_reverb_probability}" \
    --reverb_target "${reverb_target}" --num_train "${num_train}" --num_valid "${num_valid}" \
    --train_copies "${train_copies}" --num_extra_noises "${num_extra_noises}" \
    ${extra_noise_kinds:+--extra_noise_kinds ${extra_noise_kinds}} --num_altered_noises "${num_altered_noises}" \
    --drift_probability "${drift_probability}" --num_rooms "${num_rooms}" \
    --max_duration "${max_duration}" --seed "${seed}"

log "Successfully finished. [elapsed=${SECONDS}s]"
