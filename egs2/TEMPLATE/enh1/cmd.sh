# Sourced by every script of a recipe: how jobs are run (JOB=1:N LOG COMMAND...).
#
#   local   processes of this machine, as many at once as its cores and memory allow
#
# train_cmd: many small jobs; cuda_cmd: jobs that may use a GPU; decode_cmd: enhancement and scoring.

cmd_backend=${cmd_backend:-local}

case ${cmd_backend} in
    local)
        export train_cmd="python3 -m espnet_codecse.job"
        export cuda_cmd="python3 -m espnet_codecse.job"
        export decode_cmd="python3 -m espnet_codecse.job"
        ;;
    *)
        echo "cmd.sh: cmd_backend=${cmd_backend}: unknown; known: local" >&2
        return 1 2>/dev/null || exit 1
        ;;
esac
