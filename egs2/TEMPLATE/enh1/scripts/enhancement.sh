# Sourced by enh.sh; this function uses its variables.
# shellcheck shell=bash disable=SC2154

# infer OUTPUT_DIR OPTIONS... -- SCP...: run the parts in parallel, then write the lists.
infer() {
    local output_dir=$1 part log
    shift
    log=${output_dir%/*}/log/infer_$(basename "${output_dir}")
    # The runner replaces CODECSE_PART everywhere; JOB may occur in a path.
    # shellcheck disable=SC2086
    ${decode_cmd} CODECSE_PART=1:"${nj}" "${log}.CODECSE_PART.log" \
        codecse infer --output_dir "${output_dir}" --device "${device}" --num_threads 1 \
        --part "CODECSE_PART/${nj}" ${inference_args} "$@"
    # Each part reports in its log what it skipped.
    for ((part = 1; part <= nj; part++)); do
        grep -h "skipped" "${log}.${part}.log" >&2 || true
    done
    codecse infer --output_dir "${output_dir}" --collect "$@"
}
