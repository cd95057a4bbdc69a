# Source this file after log.sh. Each function ends the script with one line and status 2.
#
#   check_options "NAME..." "$@"      a named variable is empty, or arguments are left after the options
#   check_numbers KIND "NAME..."      a named variable is not a number of this kind
#   check_paths "NAME..."             a named variable is a path that a later stage would misread

_option_error() {
    log "Error: $*"
    exit 2
}

check_options() {
    local option
    for option in $1; do
        if [ -z "${!option}" ]; then
            _option_error "--${option} is required; --help lists the options"
        fi
    done
    if [ $# -gt 1 ]; then
        _option_error "unexpected argument '$2'; --help lists the options"
    fi
}

check_numbers() {
    local option pattern what
    case $1 in
        natural) pattern='^(0|[1-9][0-9]{0,8})$' what="a whole number of at least 0" ;;
        positive) pattern='^[1-9][0-9]{0,8}$' what="a whole number of at least 1" ;;
        seconds) pattern='^([0-9]+\.?[0-9]*|\.[0-9]+)$' what="a number of seconds" ;;
        rate) pattern='^[1-9][0-9]{0,6}k?$' what="a sample rate such as 16k or 16000" ;;
    esac
    for option in $2; do
        if ! [[ ${!option} =~ ${pattern} ]]; then
            _option_error "--${option} ${!option:-''}: must be ${what}"
        fi
    done
}

# ESPnet separates paths by commas, and codecse results the fields of a row by bars.
check_paths() {
    local option
    for option in $1; do
        case ${!option} in
            "" | -* | *[,\|]* | *$'\n'*)
                _option_error "--${option} '${!option}': must be a path without commas, bars and line breaks"
                ;;
        esac
    done
}
