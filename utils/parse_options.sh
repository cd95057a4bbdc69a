# Source this file after the defaults: --name value sets the variable of that name, as in Kaldi's parser.
#
#   stage=1            # a default; only variables that are already set can be options
#   help_message="..." # printed by --help
#   . utils/parse_options.sh
#
# Names may have `-` or `_`. A variable whose default is true or false accepts no other value. `--config FILE`
# sources FILE before the other options are read. Parsing ends at the first word that is not an option, or after `--`;
# the remaining words stay in "$@". An unknown name, --name=value or a missing value gives one line on stderr and
# status 1.

for _arg in $(seq 1 $#); do
    if [ "${!_arg}" = "--" ]; then
        break
    fi
    if [ "${!_arg}" = "--config" ]; then
        _next=$((_arg + 1))
        if [ ! -r "${!_next:-}" ]; then
            echo "$0: --config '${!_next:-}': no such file; give a file of name=value lines" >&2
            exit 1
        fi
        . "${!_next}"
    fi
done

while [ $# -gt 0 ]; do
    case $1 in
        --help | -h)
            if [ -n "${help_message:-}" ]; then
                echo "${help_message}"
            else
                echo "$0: this script has no help"
            fi
            exit 0
            ;;
        --)
            shift
            break
            ;;
        --*=*)
            echo "$0: $1: write the value after a space: ${1%%=*} ${1#*=}" >&2
            exit 1
            ;;
        --*)
            _name=${1#--}
            _name=${_name//-/_}
            if [ $# -lt 2 ]; then
                echo "$0: $1: the value is missing; write $1 VALUE" >&2
                exit 1
            fi
            if [ "${_name}" = config ]; then
                shift 2
                continue
            fi
            if ! [[ ${_name} =~ ^[A-Za-z][A-Za-z0-9_]*$ ]] || [ -z "${!_name+set}" ]; then
                echo "$0: $1: unknown option; --help lists the options" >&2
                exit 1
            fi
            case ${!_name} in
                true | false)
                    if [ "$2" != true ] && [ "$2" != false ]; then
                        echo "$0: $1 $2: must be true or false" >&2
                        exit 1
                    fi
                    ;;
            esac
            printf -v "${_name}" '%s' "$2"
            shift 2
            ;;
        *)
            break
            ;;
    esac
done
unset _arg _next _name
true
