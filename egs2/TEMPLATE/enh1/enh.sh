#!/usr/bin/env bash
# All stages of enhancement and separation on codec embeddings. Recipes call it with their settings; see --help.
set -e
set -u
set -o pipefail

. "$(dirname "${BASH_SOURCE[0]}")/../../../utils/log.sh"
template=$(dirname "$(realpath "${BASH_SOURCE[0]}")")   # a recipe's enh.sh is a link to this file
SECONDS=0

# General
stage=1                      # first stage to run
stop_stage=10000             # last stage to run
nj=0                         # parallel jobs; 0: as many as cores and memory allow
datadir=data                 # data directories of stage 1
dumpdir=dump                 # formatted data and embeddings
expdir=exp                   # experiments
device=auto                  # auto, cpu or cuda
plan=auto                    # estimate of stages 2 to 7: true: print it and stop; false: none; auto: only for long data
ngpu=                        # GPUs per machine for training; default: one, if there is one
num_nodes=1                  # machines for training, with cmd_backend=slurm
# Data
train_set=                   # required
valid_set=                   # required
test_sets=                   # required, separated by spaces
local_data_opts=             # options of local/data.sh, evaluated by the shell as if typed there
fs=16k                       # sample rate of the codec, Hz
num_spk=1                    # speakers in a mixture
clean_prior=                 # set of unpaired clean speech, for systems that use it; a second name is for validation
noise_prior=                 # the same for noise; default of both: the references of train_set and valid_set
min_duration=0.1             # shorter training utterances are left out, seconds
max_duration=30              # longer training utterances are left out, seconds
# Embeddings
codec=small                  # small, a folder, a Hugging Face id, a model-zoo tag or zip
layer=continuous             # stored embeddings: continuous or quantized
codec_dtype=auto             # data type of the codec's products in stage 3: auto, float32 or bfloat16
compression=3                # compression of the arks: 3 (two bytes per value) or none (float32)
embedding_source=stored      # stored, or on_the_fly: waveforms through the frozen encoder
# System
system=nac_se                # system, a folder of conf; its steps are trained in order
steps=                       # steps to train, separated by spaces; default: all
size=                        # size of the network; default: the step's own
variant=                     # variants of the system, separated by commas and merged in order; default: none
loss=                        # loss; default: the step's own
tag=                         # name of the experiment; default: from system, codec, size, variant and loss
init_param=                  # checkpoint that the first step starts from
seed=                        # train with this seed, as a separate experiment (_seed<n>)
# Enhancement and scoring
inference_model=valid.loss.best.pth   # checkpoint of a step
inference_step=              # enhance with an earlier step, into <tag>_<step>; default: the last step
inference_args=              # more options of codecse infer, such as --batch_seconds 30
model_options=               # options of the model at inference, such as num_steps=10
inference_tag=               # appended to the experiment's name for the outputs, such as steps10
decode_layers=               # embeddings to decode, continuous or quantized; default: both
num_codebooks=               # quantise with the codec's first codebooks, into *_<n>codebooks; default: all
metrics="SI_SDR SDR PESQ STOI ESTOI DNSMOS DISTILLMOS"   # see codecse score --help
score_fs=                    # sample rate for scoring, such as 8k; default: that of the codec
resynthesised_references=false   # true: also score against references that went through the codec
benchmark_args=              # more options of codecse benchmark model, such as --dtypes float32 bfloat16
baseline=                    # baseline of a study: compare every <variant>_seed<n> with <baseline>_seed<n>
data_note=                   # description of the data, for RESULTS.md
results_file=                # default: <expdir>/RESULTS.md
report_args=                 # more options of codecse report, such as --num_utterances 12
# Packing and publishing
skip_packing=true            # false, or --stage 10: pack after scoring; --hf_repo also packs
decode_layer=                # layer that users of the pack decode; default: the first of decode_layers
license=                     # licence of the packed model, such as cc-by-4.0
datasets=                    # names of the training data for the model card, separated by spaces
card=                        # README.md for the pack; default: a generated one
hf_repo=                     # user/name on the Hugging Face hub; default: nothing is published
publish_args=                # more options of codecse publish, such as --private or --update

help_message="Usage: $0 --train_set SET --valid_set SET --test_sets SETS [options]

Stages (what each writes):
  1  data          local/data.sh -> ${datadir}/<set>
  2  format, check -> ${dumpdir}/raw/<set>, rejected.tsv
  3  embeddings    -> ${dumpdir}/codec/<codec>_<layer>[_<level>]/<set>
  4  statistics    -> ${expdir}/stats_<codec>_<layer>[_<level>]
  5  train         -> ${expdir}/<tag>/<step>, all steps of the system in order
  6  enhance       -> ${expdir}/<tag>/<layer>_<set>, and the codec alone -> ${expdir}/codec_<codec>
  7  score         -> .../scoring, RESULTS.md
  8  efficiency    -> ${expdir}/<tag>/COST.md
  9  report page   -> ${expdir}/report/index.html
 10  pack          -> ${expdir}/<tag>/<tag>.zip, for codecse enhance and the model zoo
 11  publish       -> --hf_repo on the Hugging Face hub
A stage that was interrupted resumes where it stopped, and reports what it skips.

Options (defaults):
$(sed -n '/^# General/,/^help_message=/s/^\([a-z_]*\)=\([^#]*[^# ]\)\{0,1\} *# \(.*\)/  --\1 \2@\3/p' "${BASH_SOURCE[0]}" | column -t -s @)
  --<step>_args        options of codecse train for one step, such as --enhance_args \"--max_epoch 100\""

# Each step has an option for its own arguments, such as --enhance_args for the step 1_enhance.
for conf in "${template}"/conf/*/[0-9]_*.yaml; do
    step=$(basename "${conf}" .yaml)
    printf -v "${step#*_}_args" '%s' ""
done

log "$0 $*"
. "${template}/../../../utils/parse_options.sh"
. "${template}/../../../utils/recipe_folder.sh"
. ./path.sh
. ./cmd.sh
export CODECSE_END_WITH_PARENT=1 # what this script starts does not outlive it

. "${template}/../../../utils/check_options.sh"
. "${template}/scripts/enhancement.sh"
check_options "train_set valid_set test_sets" "$@"
check_numbers natural "stage stop_stage nj ${ngpu:+ngpu} ${seed:+seed}"
check_numbers positive "num_nodes num_spk ${num_codebooks:+num_codebooks}"
check_numbers seconds "min_duration max_duration"
check_numbers rate "fs ${score_fs:+score_fs}"
check_paths "datadir dumpdir expdir"
if [ "${embedding_source}" != stored ] && [ "${embedding_source}" != on_the_fly ]; then
    log "Error: --embedding_source ${embedding_source}: must be stored or on_the_fly"
    exit 2
fi

codecse_config() {
    codecse config --template_conf "${template}/conf" --recipe_conf conf --system "${system}" --num_spk "${num_spk}" \
        --codec "${codec}" --size "${size}" --variant "${variant}" --loss "${loss}" "$@"
}
all_steps=$(codecse_config --list_steps)
steps=$(tr -s ' ' '\n' <<< "${steps:-${all_steps}}")
for step in ${steps} ${inference_step}; do
    if ! grep -qx "${step}" <<< "${all_steps}"; then
        log "Error: ${step}: ${system} has no such step; its steps: ${all_steps//$'\n'/ }"
        exit 2
    fi
done
first_step=$(head -n 1 <<< "${steps}")
last_step=${inference_step:-$(tail -n 1 <<< "${steps}")}
level_opts=$(codecse_config --step "${first_step}" --embedding_source "${embedding_source}" --list_level_options)
layers=$(codecse_config --list_layers)
if [ -n "${num_codebooks}" ]; then
    if [ "${layers}" = waveform ]; then
        log "Error: --num_codebooks ${num_codebooks}: ${system} decodes no codes; leave it out"
        exit 2
    fi
    layers=quantized
    decode_layers=quantized
fi
decode_layers=${decode_layers:-${layers}}
decode_layer=${decode_layer:-${decode_layers%% *}}
# Otherwise options for a step that the system does not have would be ignored silently.
for conf in "${template}"/conf/*/[0-9]_*.yaml; do
    step=$(basename "${conf}" .yaml)
    step_args=${step#*_}_args
    if [ -n "${!step_args}" ] && ! grep -q "_${step#*_}\$" <<< "${all_steps}"; then
        log "Error: --${step_args}: ${system} has no such step; its steps: ${all_steps//$'\n'/ }"
        exit 2
    fi
done
if [ "${layers}" = waveform ]; then
    embedding_source=on_the_fly
    plan=false
fi

[ "${nj}" -gt 0 ] || nj=$(${train_cmd} --print_nj --mem_per_job 3)
if [ "${device}" = cpu ]; then ngpu=${ngpu:-0}; fi
if [ "${device}" = auto ]; then
    device=cpu
    if nvidia-smi -L > /dev/null 2>&1; then device=cuda; fi
fi
# Detect a misspelt codec or metric, or a missing GPU, before the first stage.
opts=()
if [ "${cmd_backend}" = local ]; then opts+=(--device "${device}" --ngpu "${ngpu:-0}"); fi
hop=$(codecse check --codec "${codec}" --fs "${fs}" --metrics "${metrics}" "${opts[@]}")

# Stages 2, 3 and 7 split their work themselves, into processes on this machine or into jobs.
jobs=(--nj "${nj}")
embedding_jobs=("${jobs[@]}")
if [ "${cmd_backend}" != local ]; then
    jobs+=(--cmd "${train_cmd}")
    if [ "${device}" != cpu ]; then decode_cmd=${cuda_cmd}; fi
    embedding_jobs+=(--cmd "${decode_cmd}")
fi
codec_label=$(basename "${codec}" .zip)
# Systems that encode at other levels than those of the recordings have their own embeddings.
level_label=$(sed 's/^--\| *--/_/g; s/ //g' <<< "${level_opts}")
embeddings=${dumpdir}/codec/${codec_label}_${layer}${level_label}
stats=${expdir}/stats_${codec_label}_${layer}${level_label}
tag=${tag:-${system}_${codec_label}${size:+_${size}}${variant:+_${variant//,/_}}${loss:+_${loss}}}${seed:+_seed${seed}}
experiment=${expdir}/${tag}
model_opts=()
for option in ${model_options}; do model_opts+=(--model_option "${option}"); done
rate=${num_codebooks:+_${num_codebooks}codebooks}
outputs=${experiment}${inference_step:+_${inference_step}}${inference_tag:+_${inference_tag}}${rate}
codec_outputs=${expdir}/codec_${codec_label}${rate}
rate_opts=()
if [ -n "${num_codebooks}" ]; then rate_opts+=(--num_codebooks "${num_codebooks}"); fi
results_file=${results_file:-${expdir}/RESULTS.md}
scored=(--expdir "${expdir}" --dumpdir "${dumpdir}" --test_sets "${test_sets}")   # all scores so far

if [ ${stage} -le 1 ] && [ ${stop_stage} -ge 1 ]; then
    log "Stage 1: data preparation -> ${datadir}"
    # The string holds several shell words; values with spaces are quoted in it.
    data_opts=()
    eval "data_opts=(${local_data_opts})"
    local/data.sh --datadir "${datadir}" --fs "${fs}" "${data_opts[@]}"
fi

# made_of_same OUTPUT FILE...: whether OUTPUT was made of these FILEs. Dates do not tell: the checkpoint of an earlier
# epoch is older than what was made of a later one.
made_of_same() {
    local output=$1
    shift
    [ -f "${output}" ] && [ "$(sha256sum "$@" 2> /dev/null)" = "$(cat "${output%/*}/.${output##*/}.made_of" 2> /dev/null)" ]
}

note_made_of() {
    local output=$1
    shift
    sha256sum "$@" > "${output%/*}/.${output##*/}.made_of" 2> /dev/null || true # RESULTS.md may be missing
}

# took STAGE SINCE FOLDER: log time and disk of a stage, for comparison with the plan.
took() {
    local size=nothing
    if [ -e "$3" ]; then size=$(du -shL "$3" | cut -f 1); fi
    log "Stage $1 took $((SECONDS - $2)) s; $3 holds ${size}"
}

# The estimate takes half a minute, so by default it is made only for long data.
if [ "${plan}" = true ] || { [ "${plan}" = auto ] && [ ${stage} -le 2 ] && [ ${stop_stage} -ge 2 ]; }; then
    sets=()
    for set in ${test_sets}; do sets+=("${datadir}/${set}"); done
    mkdir -p "${experiment}"
    codecse_config --step "${first_step}" --output "${experiment}/plan.yaml"
    opts=()
    if [ "${plan}" = auto ]; then opts+=(--from_hours 1); fi
    codecse plan --train_sets "${datadir}/${train_set}" "${datadir}/${valid_set}" --test_sets "${sets[@]}" \
        --config "${experiment}/plan.yaml" --embedding_source "${embedding_source}" --compression "${compression}" \
        --metrics "${metrics}" --nj "${nj}" --device "${device}" "${opts[@]}"
    if [ "${plan}" = true ]; then exit 0; fi
fi

if [ ${stage} -le 2 ] && [ ${stop_stage} -ge 2 ]; then
    since=${SECONDS}
    log "Stage 2: format and check -> ${dumpdir}/raw"
    for set in ${train_set} ${valid_set} ${clean_prior} ${noise_prior} ${test_sets}; do
        limits="--min_duration ${min_duration} --max_duration ${max_duration}"
        num_references=${num_spk}
        # Real and unpaired recordings have no references; a training that needs them reports an error.
        [ -f "${datadir}/${set}/spk1.scp" ] || num_references=0
        # Test sets keep all utterances, so that results stay comparable.
        if [[ " ${test_sets} " == *" ${set} "* ]]; then
            limits=
        fi
        # shellcheck disable=SC2086
        codecse format --fs "${fs}" "${jobs[@]}" --num_references "${num_references}" ${limits} \
            --num_frames_min_samples "${hop}" \
            "${datadir}/${set}" "${dumpdir}/raw/${set}"
    done
    took 2 "${since}" "${dumpdir}/raw"
fi

if [ ${stage} -le 3 ] && [ ${stop_stage} -ge 3 ]; then
    since=${SECONDS}
    if [ "${embedding_source}" = stored ]; then
        log "Stage 3: embeddings -> ${embeddings}"
        for set in ${train_set} ${valid_set}; do
            # shellcheck disable=SC2086
            codecse extract --codec "${codec}" --codec_dtype "${codec_dtype}" ${level_opts} --layer "${layer}" \
                --compression "${compression}" "${embedding_jobs[@]}" --device "${device}" "${dumpdir}/raw/${set}" "${embeddings}/${set}"
        done
        took 3 "${since}" "${embeddings}"
    else
        log "Stage 3: skipped (embeddings are computed on the fly)"
    fi
fi

if [ ${stage} -le 4 ] && [ ${stop_stage} -ge 4 ]; then
    if [ "${embedding_source}" = stored ]; then
        log "Stage 4: statistics -> ${stats}"
        for set in ${train_set} ${valid_set}; do
            codecse embedding_stats "${embeddings}/${set}" "${stats}/${set}"
        done
    else
        log "Stage 4: skipped (no stored embeddings)"
    fi
fi

if [ ${stage} -le 5 ] && [ ${stop_stage} -ge 5 ]; then
    since=${SECONDS}
    log "Stage 5: training of ${system} -> ${experiment}"
    previous=${init_param}
    for step in ${steps}; do
        step_dir=${experiment}/${step}
        mkdir -p "${step_dir}"
        codecse_config --step "${step}" --output "${step_dir}/train.yaml"
        step_args=${step#*_}_args
        opts=()
        if [ "${embedding_source}" = stored ]; then
            opts+=(--train_embeddings "${embeddings}/${train_set}" --valid_embeddings "${embeddings}/${valid_set}")
            opts+=(--embedding_stats "${stats}/${train_set}/stats.npz")
        fi
        for name in clean_prior noise_prior; do
            read -r -a sets <<< "${!name}"
            if [ ${#sets[@]} -gt 0 ]; then
                opts+=(--folder "${name}=${dumpdir}/raw/${sets[0]},${dumpdir}/raw/${sets[1]:-${sets[0]}}")
            fi
        done
        if [ -n "${previous}" ]; then opts+=(--init_param "${previous}"); fi
        log "step ${step}: log in ${step_dir}/train.log"
        if [ -n "${ngpu}" ]; then opts+=(--ngpu "${ngpu}"); fi
        if [ -n "${seed}" ]; then opts+=(--seed "${seed}"); fi
        # shellcheck disable=SC2206
        train=(codecse train --config "${step_dir}/train.yaml" --output_dir "${step_dir}"
            --train_dir "${dumpdir}/raw/${train_set}" --valid_dir "${dumpdir}/raw/${valid_set}"
            "${opts[@]}" ${!step_args})
        progress=("${template}/../../../utils/training_progress.sh" "${step_dir}/train.log")
        if [ "${cmd_backend}" = local ]; then
            "${train[@]}" 2>&1 | "${progress[@]}"
        else
            # shellcheck disable=SC2086
            ${cuda_cmd} ${ngpu:+--gpu "${ngpu}"} --num_nodes "${num_nodes}" "${step_dir}/job.log" \
                "${train[@]}" "2>&1" "|" "${progress[@]}"
        fi || { log "Error: step ${step} failed; see ${step_dir}/train.log"; exit 1; }
        previous=${step_dir}/${inference_model}
    done
    took 5 "${since}" "${experiment}"
fi

if [ ${stage} -le 6 ] && [ ${stop_stage} -ge 6 ]; then
    since=${SECONDS}
    log "Stage 6: enhancement -> ${outputs}, the codec alone -> ${codec_outputs}"
    for set in ${test_sets}; do
        raw=${dumpdir}/raw/${set}
        # The codec alone is the ceiling of systems on embeddings.
        if [ "${layers}" != waveform ]; then
            if [ -f "${raw}/spk1.scp" ]; then
                references=()
                for ((spk = 1; spk <= num_spk; spk++)); do references+=("${raw}/spk${spk}.scp"); done
                # shellcheck disable=SC2086
                infer "${codec_outputs}/clean_{layer}_${set}" --codec "${codec}" --layers ${layers} "${rate_opts[@]}" \
                    -- "${references[@]}"
            fi
            # shellcheck disable=SC2086
            infer "${codec_outputs}/noisy_{layer}_${set}" --codec "${codec}" --layers ${layers} "${rate_opts[@]}" \
                -- "${raw}/wav.scp"
        fi
        opts=()
        if [ -f "${raw}/spk1.scp" ]; then opts+=(--reference_scp "${raw}/spk1.scp"); fi
        # shellcheck disable=SC2086
        infer "${outputs}/{layer}_${set}" "${opts[@]}" \
            --layers ${decode_layers} "${rate_opts[@]}" "${model_opts[@]}" \
            --train_config "${experiment}/${last_step}/config.yaml" \
            --model_file "${experiment}/${last_step}/${inference_model}" -- "${raw}/wav.scp"
    done
    took 6 "${since}" "${outputs}"
fi

if [ ${stage} -le 7 ] && [ ${stop_stage} -ge 7 ]; then
    since=${SECONDS}
    log "Stage 7: scoring -> ${results_file}"
    opts=()
    if [ -n "${score_fs}" ]; then opts+=(--fs "${score_fs}"); fi
    if "${resynthesised_references}"; then opts+=(--resynthesised_references); fi
    codecse score_outputs "${outputs}" --codec_outputs "${codec_outputs}" --num_spk "${num_spk}" \
        --dumpdir "${dumpdir}" --test_sets "${test_sets}" --metrics "${metrics}" "${jobs[@]}" "${opts[@]}"
    opts=()
    if [ -f paper.yaml ]; then opts+=(--paper paper.yaml); fi
    if [ -n "${baseline}" ]; then opts+=(--baseline "${baseline}"); fi
    if [ -n "${data_note}" ]; then opts+=(--data_note "${data_note}"); fi
    codecse results "${scored[@]}" "${opts[@]}" --output "${results_file}" \
        --title "RESULTS: $(basename "$(dirname "${PWD}")"), ${test_sets}"
    took 7 "${since}" "${results_file}"
    log "Results: ${results_file}"
fi

if [ ${stage} -le 8 ] && [ ${stop_stage} -ge 8 ]; then
    cost=${experiment}/COST.md
    checkpoint=${experiment}/${last_step}/${inference_model}
    if made_of_same "${cost}" "${checkpoint}"; then
        log "Stage 8: skipped (${cost} is of this model)"
    else
        log "Stage 8: cost of the model -> ${cost}"
        opts=()
        published=${template}/conf/${system}/published_cost.yaml
        if [ -f "${published}" ]; then opts+=(--published "${published}"); fi
        # shellcheck disable=SC2086
        codecse benchmark model --model "${experiment}/${last_step}" --codec "${codec}" --device "${device}" \
            --output "${cost}" "${opts[@]}" "${model_opts[@]}" ${benchmark_args}
        note_made_of "${cost}" "${checkpoint}"
    fi
fi

if [ ${stage} -le 9 ] && [ ${stop_stage} -ge 9 ]; then
    since=${SECONDS}
    log "Stage 9: report page -> ${expdir}/report"
    # shellcheck disable=SC2086
    codecse report "${scored[@]}" --output_dir "${expdir}/report" ${report_args} \
        --title "$(basename "$(dirname "${PWD}")"), ${test_sets}"
    took 9 "${since}" "${expdir}/report"
fi

pack=${experiment}/${tag}.zip
[ -z "${hf_repo}" ] || skip_packing=false
[ ${stage} -lt 10 ] || skip_packing=false
if [ ${stage} -le 10 ] && [ ${stop_stage} -ge 10 ]; then
    checkpoint=${experiment}/${last_step}/${inference_model}
    if "${skip_packing}"; then
        log "Stage 10: packing skipped; --skip_packing false or --stage 10 enables it"
    elif made_of_same "${pack}" "${checkpoint}" "${results_file}"; then
        log "Stage 10: skipped (${pack} is of this model and its scores)"
    else
        log "Stage 10: packing -> ${pack}"
        opts=()
        if compgen -G "${expdir}/noisy_*/scoring/scored.json" > /dev/null; then opts=("${scored[@]}"); fi
        if [ -f "${results_file}" ]; then opts+=(--document "${results_file}"); fi
        if [ -n "${card}" ]; then opts+=(--card "${card}"); fi
        # shellcheck disable=SC2206
        if [ -n "${datasets}" ]; then opts+=(--datasets ${datasets}); fi
        codecse pack "${experiment}/${last_step}" --checkpoint "${inference_model}" --output "${pack}" \
            --name "${tag}" --layer "${decode_layer}" --outputs "$(basename "${outputs}")" \
            --license "${license}" "${opts[@]}"
        note_made_of "${pack}" "${checkpoint}" "${results_file}"
    fi
fi

if [ ${stage} -le 11 ] && [ ${stop_stage} -ge 11 ]; then
    if [ -z "${hf_repo}" ]; then
        log "Stage 11: publishing skipped (no --hf_repo)"
    else
        log "Stage 11: publishing ${pack} -> ${hf_repo}"
        # shellcheck disable=SC2086
        codecse publish "${pack}" --repo "${hf_repo}" ${publish_args}
    fi
fi

log "Successfully finished. [elapsed=${SECONDS}s]"
