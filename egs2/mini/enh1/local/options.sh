# Sourced by run.sh with its arguments, in the caller's folder; sets local_data_opts and the array opts.
# Paths on the command line are relative to the caller's folder, but the recipe runs in its own folder.

opts=()
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h)
            cat << 'EOF'
Usage: run.sh [--clean_dir DIR] [options]

Options of this recipe; without them it synthesises speech, noise and rooms:
  --clean_dir DIR         clean speech, one folder per speaker; or train/, valid/ and test/ with such folders
  --noise_dir DIR         noise; default: the noise/ folders of --clean_dir, or synthesised
  --room_dir DIR          recorded room responses, for dynamic mixing
  --test_room_dir DIR     the same for test mixtures, with --local_data_opts "--test_reverb_probability 1"
  --num_spk N             2 or 3: mixtures of speakers, for the systems codecformer and codecformer_el
  --local_data_opts OPTS  more options of local/data.sh, such as "--test_snrs '0 10'"; local/data.sh --help lists them

What all recipes have:

EOF
            opts+=("$1")
            shift
            ;;
        --clean_dir | --noise_dir | --room_dir | --test_room_dir)
            _folder=$(realpath "${2:?value of $1 is missing}")
            printf -v local_data_opts '%s %s %q' "${local_data_opts-}" "$1" "${_folder}"
            shift 2
            ;;
        --local_data_opts)
            local_data_opts+=" ${2?value of $1 is missing}"
            shift 2
            ;;
        --num_spk)
            local_data_opts+=" --num_speakers ${2?value of $1 is missing}"
            opts+=("$1" "$2")
            shift 2
            ;;
        --codec)
            _codec=${2:?value of $1 is missing}
            if [ -e "${_codec}" ]; then _codec=$(realpath "${_codec}"); fi
            opts+=("$1" "${_codec}")
            shift 2
            ;;
        *)
            opts+=("$1")
            shift
            ;;
    esac
done
