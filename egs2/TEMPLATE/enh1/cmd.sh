# Sourced by every script of a recipe; selects how jobs run (JOB=1:N LOG COMMAND...).
#
#   local   processes of this machine, as many at once as cores and memory allow
#   slurm   arrays of Slurm jobs; settings are merged from the template's conf/slurm.yaml, the recipe's, and the file
#           that CODECSE_SLURM_CONF names
#
# train_cmd: many small jobs; cuda_cmd: jobs that may use a GPU; decode_cmd: enhancement and scoring.

cmd_backend=${cmd_backend:-local}

case ${cmd_backend} in
    local)
        export train_cmd="python3 -m espnet_codecse.job"
        export cuda_cmd="python3 -m espnet_codecse.job"
        export decode_cmd="python3 -m espnet_codecse.job"
        ;;
    slurm)
        CODECSE_SLURM_CONF=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/conf/slurm.yaml:${PWD}/conf/slurm.yaml:${CODECSE_SLURM_CONF:-}
        export CODECSE_SLURM_CONF
        export train_cmd="python3 -m espnet_codecse.job --backend slurm --kind train"
        export cuda_cmd="python3 -m espnet_codecse.job --backend slurm --kind cuda"
        export decode_cmd="python3 -m espnet_codecse.job --backend slurm --kind decode"
        ;;
    *)
        echo "cmd.sh: cmd_backend=${cmd_backend}: unknown; known: local, slurm" >&2
        return 1 2>/dev/null || exit 1
        ;;
esac
