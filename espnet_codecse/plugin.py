"""Makes the package's classes known to ESPnet's own tasks, without importing ESPnet.

``import espnet_codecse`` costs nothing; when somebody then imports ``espnet2.tasks.enh``, our encoder, decoder,
separators and criteria are added to its choices right after (``task/register.py`` says which). ESPnet has no entry
point for that: its tables are read by whoever imports the task, and nothing of ours would be asked.
"""

import importlib
import sys
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from espnet_codecse.postponed import postpone

# ESPnet's module, and what it imports for other tasks or rare options: seconds, and a look for data on the network.
# With a colon, it imports a function, or a class that it only calls.
POSTPONED = {
    "espnet2.text.phoneme_tokenizer": ("g2p_en",),
    "espnet2.text.build_tokenizer": (
        "espnet2.text.hugging_face_tokenizer:HuggingFaceTokenizer",
        "espnet2.text.qwen2audio_tokenizer:Qwen2AudioTokenizer",
    ),
    "espnet2.text.cleaner": ("tacotron_cleaner", "tacotron_cleaner.cleaners"),
    "espnet2.train.preprocessor": (
        "espnet2.text.hugging_face_token_id_converter:HuggingFaceTokenIDConverter",
        "scipy.signal",
    ),
    "espnet2.enh.diffusion.sampling": ("scipy.integrate",),
    "espnet2.tasks.abs_task": ("espnet2.layers.create_adapter:create_adapter",),
    "espnet2.train.trainer": ("espnet2.main_funcs.calculate_all_attentions:calculate_all_attentions",),
    "espnet2.enh.loss.criterions.time_domain": ("fast_bss_eval",),
}
# ESPnet's modules whose functions typeguard leaves as they are. It would parse a module once for each of its functions,
# two fifths of the time that a task takes to import. What a user writes is checked elsewhere: by the parser, and by
# typeguard in ESPnet's networks, schedulers and samplers.
UNCHECKED = ("espnet2.tasks.", "espnet2.train.", "espnet2.main_funcs.", "espnet2.fileio.")
# ESPnet's module: the function of task/register.py that adds to it.
REGISTRARS = {
    "espnet2.tasks.abs_task": "register_schedulers",
    "espnet2.tasks.enh": "register_enhancement",
    "espnet2.tasks.gan_codec": "register_codecs",
}


def _register(module: str) -> None:
    getattr(importlib.import_module("espnet_codecse.task.register"), REGISTRARS[module])()


@cache
def _leave_unchecked() -> None:
    """Have ``typeguard.typechecked`` return the functions of :data:`UNCHECKED` unchanged."""
    try:
        import typeguard
    except ModuleNotFoundError:
        return
    check = typeguard.typechecked

    def typechecked(target=None, **options):
        unchecked = getattr(target, "__module__", "").startswith(UNCHECKED)
        return target if unchecked else check(target, **options)

    typeguard.typechecked = typechecked


class _RegisteringLoader(Loader):
    """Runs a module as its own loader does, then registers."""

    def __init__(self, loader: Loader):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return the module of the loader."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then add to its tables."""
        self.loader.exec_module(module)
        _register(module.__name__)

    def __getattr__(self, name: str):
        # Whatever else is asked of a loader, such as the source for a traceback.
        return getattr(self.loader, name)


class _TaskFinder(MetaPathFinder):
    """Finds ESPnet's tasks as the other finders do, with a loader that registers."""

    def find_spec(self, fullname, path, target=None) -> ModuleSpec | None:
        """Return the spec of a task's module; None for all others."""
        if fullname.startswith(UNCHECKED):
            _leave_unchecked()
        for module in POSTPONED.get(fullname, ()):
            postpone(*module.split(":"))
        if fullname not in REGISTRARS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _RegisteringLoader(spec.loader)
                return spec
        return None


def install() -> None:
    """Register with the tasks that are imported already, and with the others when they are."""
    if not any(isinstance(finder, _TaskFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TaskFinder())
    for module in REGISTRARS:
        # One that is still being imported is registered by its loader.
        spec = getattr(sys.modules.get(module), "__spec__", None)
        if spec is not None and not getattr(spec, "_initializing", False):
            _register(module)
