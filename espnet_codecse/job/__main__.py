"""Entry point of ``python3 -m espnet_codecse.job``; see ``espnet_codecse/job/cli.py`` or ``--help``."""

import sys

from espnet_codecse.job.cli import main
from espnet_codecse.job.lifeline import follow_recipe

follow_recipe()
sys.exit(main(sys.argv[1:]))
