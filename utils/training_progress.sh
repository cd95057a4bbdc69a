#!/usr/bin/env bash
# Reads a training's output: appends all of it to LOG and shows the lines that tell how far it is, or why it stopped.
#   codecse train ... 2>&1 | utils/training_progress.sh LOG
set -euo pipefail
tee -a "$1" | awk '
    /codecse train:|: error: |^[A-Za-z._]*Error:/ { print; fflush(); next }
    /epoch:train:|epoch started|best model has been updated|already reached|resumed using/ {
        sub(/^\[[^]]*\] */, ""); sub(/iter_time=.*_time=[^,]*, */, ""); print substr($0, 1, 220); fflush()
    }'
