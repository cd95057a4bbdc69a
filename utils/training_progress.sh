#!/usr/bin/env bash
# Reads the output of a training, appends it to LOG, and prints the lines that show its progress or why it stopped.
#   codecse train ... 2>&1 | utils/training_progress.sh LOG
set -euo pipefail
tee -a "$1" | awk '
    /codecse train:|: error: |^[A-Za-z._]*Error:/ { print; fflush(); next }
    /epoch:train:|epoch started|best model has been updated|already reached|resumed using/ {
        sub(/^\[[^]]*\] */, ""); gsub(/[a-z0-9_]*(time|clip|loss_scale|optim[0-9]_lr[0-9])=[^,]*(, |$)/, ""); print substr($0, 1, 220); fflush()
    }'
