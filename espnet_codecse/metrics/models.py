"""Folders of the networks of optional metrics: named by an environment variable, or in a cache of this machine.

Nothing is downloaded during scoring, because hundreds of processes would do so at once, and cluster nodes often have no
network.
"""

import os
from pathlib import Path

from espnet_codecse.metrics.abs_metric import AbsMetricFamily


def hub_folder(variable: str, hub_id: str) -> str | None:
    """Return the folder that ``variable`` names, or that of ``hub_id`` in the Hugging Face cache, or None."""
    chosen = os.environ.get(variable)
    if chosen:
        return chosen if (Path(chosen) / "config.json").is_file() else None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot_download(hub_id, local_files_only=True)
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None


class HubMetricFamily(AbsMetricFamily):
    """A family whose network is a transformers model that must already be on this machine."""

    variable = ""
    hub_id = ""

    @classmethod
    def missing(cls) -> str:
        """See :meth:`AbsMetricFamily.missing`."""
        if super().missing() or hub_folder(cls.variable, cls.hub_id):
            return super().missing()
        if os.environ.get(cls.variable):
            return f"{cls.variable}={os.environ[cls.variable]} is not a folder with a config.json"
        return f"hf download {cls.hub_id}, or set {cls.variable} to a folder of such a model"

    def folder(self) -> str | None:
        """Return the folder of the network; None if it is :meth:`missing`."""
        return hub_folder(self.variable, self.hub_id)


def torch_hub_folder() -> Path:
    """Return torch's hub folder, without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))) / "hub"
