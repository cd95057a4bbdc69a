#!/usr/bin/env bash
# Stage 1 of the recipes with a published corpus. A recipe's local/data.sh is a link to this file.
#   local/data.sh [--check] [options of codecse prepare_<corpus>; --help lists them]
set -e
set -u
set -o pipefail

utils=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../../../../utils
. "${utils}/log.sh"
. "${utils}/recipe_folder.sh"
. ./path.sh
. ./db.sh

corpus=$(basename "$(dirname "${PWD}")")
codecse "prepare_${corpus}" "$@"
