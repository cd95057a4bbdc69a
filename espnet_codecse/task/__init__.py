"""ESPnet task classes; only this package and ``bin/`` use ``espnet2.tasks`` and ``espnet2.bin``."""
