"""Where the networks of optional metrics lie: named by an environment variable, or in a cache of this machine.

Nothing is fetched while scores are computed: hundreds of processes would, and a cluster's nodes cannot.
"""

import os
from pathlib import Path
from typing import Optional


def hub_folder(variable: str, hub_id: str) -> Optional[str]:
    """Return the folder that ``variable`` names, or where the Hugging Face hub's cache holds ``hub_id``; None."""
    chosen = os.environ.get(variable)
    if chosen:
        return chosen if (Path(chosen) / "config.json").is_file() else None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return snapshot_download(hub_id, local_files_only=True)
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None


def how_to_get(variable: str, hub_id: str) -> str:
    """Return the advice where :func:`hub_folder` finds nothing."""
    if os.environ.get(variable):
        return f"{variable}={os.environ[variable]} names no folder with a config.json"
    return f"hf download {hub_id}, or set {variable} to a folder of such a model"


def torch_hub_folder() -> Path:
    """Return torch's hub folder, without importing torch."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))) / "hub"
