"""Where the networks of optional metrics are; nothing is downloaded during scoring.

Hundreds of processes would download at once, and cluster nodes often have no network.
"""

import importlib.util
import os
from pathlib import Path

from espnet_codecse.metrics.abs_metric import AbsMetricFamily


class ReplaceableMetricFamily(AbsMetricFamily):
    """A family with a model in a package's wheel, which a model of transformers can replace.

    Attributes:
        variable: environment variable that names the folder of the model to use instead.
    """

    variable = ""

    @classmethod
    def missing(cls) -> str:
        """See :meth:`AbsMetricFamily.missing`."""
        folder = cls.folder()
        if folder is None:
            return super().missing()
        if not (Path(folder) / "config.json").is_file():
            return f"{cls.variable}={folder} is not a folder with a config.json"
        return "" if importlib.util.find_spec("transformers") else "pip install transformers"

    @classmethod
    def folder(cls) -> str | None:
        """Return the folder of the model to use instead; None: the wheel's model is used."""
        return os.environ.get(cls.variable) or None


def torch_hub_folder() -> Path:
    """Return torch's hub folder, without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))) / "hub"
