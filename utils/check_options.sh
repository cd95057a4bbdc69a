# Source this file after log.sh: check_options "NAME..." "$@" ends the script if one of the named variables is empty, or
# if arguments are left after the options.

check_options() {
    local option
    for option in $1; do
        if [ -z "${!option}" ]; then
            log "Error: --${option} is required; --help lists the options"
            exit 2
        fi
    done
    if [ $# -gt 1 ]; then
        log "Error: unexpected argument '$2'; --help lists the options"
        exit 2
    fi
}
