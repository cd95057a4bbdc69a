# Source this file after log.sh: ends the script with one line if it does not run in the folder of its recipe.

if [ ! -f path.sh ] || [ ! -f cmd.sh ]; then
    log "Error: ${PWD}: not the folder of a recipe; go to the folder with run.sh, such as egs2/mini/enh1, first"
    exit 2
fi
