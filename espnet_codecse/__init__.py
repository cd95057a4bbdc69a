"""Speech enhancement and separation in the embedding space of neural audio codecs.

Importing the package imports neither torch nor ESPnet. It does make ESPnet's own tasks know its classes, whenever
they are imported: see ``plugin.py``. :class:`SpeechEnhancer` enhances arrays with a packed model.
"""

from typing import TYPE_CHECKING

from espnet_codecse import plugin

if TYPE_CHECKING:
    from espnet_codecse.zoo.speech_enhancer import SpeechEnhancer

__version__ = "0.1.0"
__all__ = ["SpeechEnhancer", "__version__"]


def __getattr__(name: str):
    # torch and ESPnet are imported with the first model, not with the package: most commands need neither.
    if name == "SpeechEnhancer":
        from espnet_codecse.zoo.speech_enhancer import SpeechEnhancer

        return SpeechEnhancer
    raise AttributeError(f"module 'espnet_codecse' has no attribute '{name}'")


plugin.install()
