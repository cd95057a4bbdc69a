# Sourced by enh.sh, whose variables these functions read.
# shellcheck shell=bash disable=SC2154

# score FOLDER SET SCORING [REFERENCES]: of the speakers in FOLDER against those of SET, or of another folder.
score() {
    local folder=$1 set=$2 references=${4:-${dumpdir}/raw/$2} speaker estimate opts=()
    opts=(--mix_scp "${dumpdir}/raw/${set}/wav.scp")
    if [ -n "${score_fs}" ]; then opts+=(--fs "${score_fs}"); fi
    if [ ! -f "${references}/spk1.scp" ]; then opts+=(--without_reference); fi
    for ((speaker = 1; speaker <= num_spk; speaker++)); do
        # The mixture, and what has only one output, stands for every speaker.
        estimate=${folder}/spk${speaker}.scp
        if [ ! -f "${estimate}" ]; then estimate=${folder}/spk1.scp; fi
        if [ ! -f "${estimate}" ]; then estimate=${folder}/wav.scp; fi
        opts+=(--inf_scp "${estimate}")
        if [ -f "${references}/spk${speaker}.scp" ]; then
            opts+=(--ref_scp "${references}/spk${speaker}.scp")
        fi
    done
    codecse score "${opts[@]}" --output_dir "$3" --metrics "${metrics}" "${jobs[@]}"
}

# score_other FOLDER SET: what a system makes beside speech: the noise, and what speech and noise add up to.
score_other() {
    local folder=$1 raw=${dumpdir}/raw/$2
    if [ -f "${folder}/noise1.scp" ] && [ -f "${raw}/noise1.scp" ]; then
        codecse score --ref_scp "${raw}/noise1.scp" --inf_scp "${folder}/noise1.scp" \
            --output_dir "${folder}/scoring_noise" --metrics "SI_SDR LSD MCD" "${jobs[@]}"
    fi
    if [ -f "${folder}/reconstruction.scp" ]; then
        codecse score --ref_scp "${raw}/wav.scp" --inf_scp "${folder}/reconstruction.scp" \
            --output_dir "${folder}/scoring_reconstruction" --metrics "SI_SDR PESQ LSD MCD" "${jobs[@]}"
    fi
}

# read_rows: all that was scored so far, this experiment and earlier ones -> the options in rows.
read_rows() {
    local set folder prefix row section other
    rows=()
    for set in ${test_sets}; do
        prefix=
        if [ "${test_sets}" != "${set}" ]; then prefix="${set}/"; fi
        if [ -d "${expdir}/noisy_${set}/scoring" ]; then
            rows+=(--row "Unprocessed|${prefix}noisy|${expdir}/noisy_${set}/scoring|${dumpdir}/raw/${set}")
        fi
        # Codecs first, they are the ceilings.
        for folder in "${expdir}"/codec_*/{clean,noisy}_{continuous,quantized}_"${set}"/scoring \
            "${expdir}"/*/{continuous,quantized,waveform}_"${set}"/scoring; do
            [ -d "${folder}" ] || continue
            row=$(basename "${folder%_"${set}"/scoring}")
            section=$(basename "${folder%/*/scoring}")
            rows+=(--row "${section}|${prefix}${row//_/, }|${folder}|${dumpdir}/raw/${set}")
            if [ -d "${folder}_resynthesised" ]; then
                rows+=(--row "${section}|${prefix}${row//_/, } to resynthesised|${folder}_resynthesised")
            fi
            for other in noise reconstruction; do
                if [ -d "${folder}_${other}" ]; then
                    rows+=(--row "${section}|${prefix}${row}, ${other}|${folder}_${other}")
                fi
            done
        done
    done
}
