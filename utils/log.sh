# Source this file: log MESSAGE prints a message on stderr with the time and with file, line and function of the call.

log() {
    local name=${BASH_SOURCE[1]##*/}
    echo "$(date '+%Y-%m-%dT%H:%M:%S') (${name}:${BASH_LINENO[0]}:${FUNCNAME[1]:-main}) $*" >&2
}
