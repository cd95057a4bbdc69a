"""ESPnet task classes; with ``bin/`` the only users of ``espnet2.tasks`` and ``espnet2.bin``."""
