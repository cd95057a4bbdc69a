"""Entry point of ``python3 -m espnet_codecse.job``; see ``espnet_codecse/job/cli.py`` or ``--help``."""

import sys

from espnet_codecse.job.cli import main

sys.exit(main(sys.argv[1:]))
