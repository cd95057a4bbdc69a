#!/usr/bin/env bash
# Trains the small codec on clean speech. Recipes call it with their settings; see --help.
set -e
set -u
set -o pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../../../utils/log.sh"
template=$(dirname "$(realpath "${BASH_SOURCE[0]}")")   # a recipe's codec.sh is a link to this file
SECONDS=0

stage=1                      # first stage to run
stop_stage=10000             # last stage to run
nj=0                         # parallel jobs; 0: as many as cores and memory allow
datadir=data                 # data directories of stage 1
dumpdir=dump                 # formatted data
expdir=exp                   # experiments
train_set=                   # clean speech, required
valid_set=                   # clean speech, required
test_set=                    # clean speech, required
local_data_opts=             # options of local/data.sh
fs=16k                       # sample rate, Hz
train_config=                # default: the template's conf/train_mdct.yaml
train_args=                  # more options of codecse train_codec, such as "--max_epoch 40"
init_frames=60000            # frames for the k-means initialisation of the quantiser
tag=                         # name of the experiment; default: from the configuration
inference_model=valid.generator_loss.best.pth   # checkpoint to pack
metrics="SI_SDR SDR PESQ STOI ESTOI DNSMOS DISTILLMOS"     # see codecse score --help

help_message="Usage: $0 --train_set SET --valid_set SET --test_set SET [options]

Stages (what each writes):
  1  data           local/data.sh -> ${datadir}/<set>
  2  format, check  -> ${dumpdir}/raw/<set>, rejected.tsv
  3  lengths        -> ${dumpdir}/raw/<set>/audio_shape
  4  initialisation -> ${expdir}/<tag>/init.pth: normalisation and k-means codebooks
  5  train          -> ${expdir}/<tag>
  6  pack, code     -> ${expdir}/<tag>/packed (a folder for --codec), ${expdir}/<tag>/<layer>_<test set>
  7  score          -> ${expdir}/<tag>/RESULTS.md

Options (defaults):
$(sed -n '/^stage=/,/^help_message=/s/^\([a-z_]*\)=\([^#]*[^# ]\)\{0,1\} *# \(.*\)/  --\1 \2@\3/p' "${BASH_SOURCE[0]}" | column -t -s @)"

log "$0 $*"
. "${template}/../../../utils/parse_options.sh"
. "${template}/../../../utils/recipe_folder.sh"
. ./path.sh
# shellcheck source=../enh1/cmd.sh
. ./cmd.sh

. "${template}/../../../utils/check_options.sh"
check_options "train_set valid_set test_set" "$@"
check_numbers natural "stage stop_stage nj"
check_numbers positive "init_frames"
check_numbers rate "fs"
check_paths "datadir dumpdir expdir"
train_config=${train_config:-${template}/conf/train_mdct.yaml}
tag=${tag:-codec_$(basename "${train_config}" .yaml)}
experiment=${expdir}/${tag}
[ "${nj}" -gt 0 ] || nj=$(${train_cmd} --print_nj --mem_per_job 2)
# Stages 2 and 7 split their work themselves, into processes on this machine or into jobs.
jobs=(--nj "${nj}")
if [ "${cmd_backend}" != local ]; then jobs+=(--cmd "${train_cmd}"); fi

if [ ${stage} -le 1 ] && [ ${stop_stage} -ge 1 ]; then
    log "Stage 1: data preparation -> ${datadir}"
    # The string holds several shell words; values with spaces are quoted in it.
    data_opts=()
    eval "data_opts=(${local_data_opts})"
    local/data.sh --datadir "${datadir}" --fs "${fs}" "${data_opts[@]}"
fi

if [ ${stage} -le 2 ] && [ ${stop_stage} -ge 2 ]; then
    log "Stage 2: format and check -> ${dumpdir}/raw"
    for set in ${train_set} ${valid_set} ${test_set}; do
        codecse format --fs "${fs}" "${jobs[@]}" "${datadir}/${set}" "${dumpdir}/raw/${set}"
    done
fi

if [ ${stage} -le 3 ] && [ ${stop_stage} -ge 3 ]; then
    log "Stage 3: lengths -> ${dumpdir}/raw/<set>/audio_shape"
    for set in ${train_set} ${valid_set}; do
        cp "${dumpdir}/raw/${set}/utt2num_samples" "${dumpdir}/raw/${set}/audio_shape"
    done
fi

if [ ${stage} -le 4 ] && [ ${stop_stage} -ge 4 ]; then
    if [ -f "${experiment}/init.pth" ]; then
        log "Stage 4: skipped (${experiment}/init.pth exists)"
    else
        log "Stage 4: initialisation -> ${experiment}/init.pth"
        codecse init_codec --config "${train_config}" --max_frames "${init_frames}" \
            --wav_scp "${dumpdir}/raw/${train_set}/wav.scp" --output "${experiment}/init.pth"
    fi
fi

if [ ${stage} -le 5 ] && [ ${stop_stage} -ge 5 ]; then
    log "Stage 5: training -> ${experiment}, log in ${experiment}/train.log"
    mkdir -p "${experiment}"
    # shellcheck disable=SC2206
    train=(codecse train_codec --config "${train_config}" --output_dir "${experiment}" --resume true
        --init_param "${experiment}/init.pth"
        --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/wav.scp,audio,sound"
        --train_shape_file "${dumpdir}/raw/${train_set}/audio_shape"
        --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/wav.scp,audio,sound"
        --valid_shape_file "${dumpdir}/raw/${valid_set}/audio_shape"
        ${train_args})
    progress=("${template}/../../../utils/training_progress.sh" "${experiment}/train.log")
    if [ "${cmd_backend}" = local ]; then
        "${train[@]}" 2>&1 | "${progress[@]}"
    else
        ${cuda_cmd} "${experiment}/job.log" "${train[@]}" "2>&1" "|" "${progress[@]}"
    fi
fi

if [ ${stage} -le 6 ] && [ ${stop_stage} -ge 6 ]; then
    log "Stage 6: pack and code -> ${experiment}/packed"
    codecse pack_codec --checkpoint "${experiment}/${inference_model}" --output_dir "${experiment}/packed"
    # Outputs of an earlier training must not count as done.
    rm -rf "${experiment}/continuous_${test_set}" "${experiment}/quantized_${test_set}"
    for action in --batch_seconds=60 --collect; do
        codecse infer --codec "${experiment}/packed" --layers continuous quantized "${action}" \
            --output_dir "${experiment}/{layer}_${test_set}" "${dumpdir}/raw/${test_set}/wav.scp"
    done
fi

if [ ${stage} -le 7 ] && [ ${stop_stage} -ge 7 ]; then
    log "Stage 7: scoring -> ${experiment}/RESULTS.md"
    opts=()
    for layer in continuous quantized; do
        codecse score --ref_scp "${dumpdir}/raw/${test_set}/wav.scp" "${jobs[@]}" --metrics "${metrics}" \
            --inf_scp "${experiment}/${layer}_${test_set}/spk1.scp" --output_dir "${experiment}/${layer}_${test_set}/scoring"
        opts+=(--row "Clean speech through the codec|${layer}|${experiment}/${layer}_${test_set}/scoring")
    done
    codecse results "${opts[@]}" --title "RESULTS: small codec, ${test_set}" --output "${experiment}/RESULTS.md"
    codecse benchmark codec --codec "${experiment}/packed"
    log "Results: ${experiment}/RESULTS.md"
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
