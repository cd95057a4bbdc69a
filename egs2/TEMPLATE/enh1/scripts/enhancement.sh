# Sourced by enh.sh; this function uses its variables.
# shellcheck shell=bash disable=SC2154

# infer OUTPUT_DIR "SCP..." OPTIONS...: run the parts in parallel, then write the lists.
infer() {
    local output_dir=$1 part scps
    read -r -a scps <<< "$2"
    shift 2
    # shellcheck disable=SC2086
    ${decode_cmd} JOB=1:"${nj}" "${output_dir%/*}/log/infer_$(basename "${output_dir}").JOB.log" \
        codecse infer "$@" --output_dir "${output_dir}" --device "${device}" --num_threads 1 ${inference_args} \
        --part "JOB/${nj}" -- "${scps[@]}"
    # Each part reports in its log what it skipped.
    for ((part = 1; part <= nj; part++)); do
        grep -h "skipped" "${output_dir%/*}/log/infer_$(basename "${output_dir}").${part}.log" >&2 || true
    done
    codecse infer "$@" --output_dir "${output_dir}" --collect -- "${scps[@]}"
}
