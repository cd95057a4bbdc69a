"""Speech enhancement and separation in the embedding space of neural audio codecs.

Importing the package imports neither torch nor ESPnet. It does make ESPnet's own tasks know its classes, whenever
they are imported: see ``plugin.py``. :class:`SpeechEnhancer`, :class:`SpeechSeparator` and :class:`SpeechStream` run
trained models on arrays and recordings.
"""

import importlib
from typing import TYPE_CHECKING

from espnet_codecse import plugin

if TYPE_CHECKING:
    from espnet_codecse.zoo.speech_enhancer import SpeechEnhancer, SpeechSeparator
    from espnet_codecse.zoo.speech_stream import SpeechStream

__version__ = "0.1.0"
__all__ = ["SpeechEnhancer", "SpeechSeparator", "SpeechStream", "__version__"]
_MODULES = {"SpeechEnhancer": "speech_enhancer", "SpeechSeparator": "speech_enhancer", "SpeechStream": "speech_stream"}


def __getattr__(name: str):
    # torch and ESPnet are imported with the first model, not with the package: most commands need neither.
    if name in _MODULES:
        return getattr(importlib.import_module(f"espnet_codecse.zoo.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'espnet_codecse' has no attribute '{name}'")


plugin.install()
