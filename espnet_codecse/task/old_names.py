"""Old names in configurations, so that packs of earlier versions load and experiments resume."""

from collections.abc import Mapping
from typing import Any

CRITERIONS = {"perceptual_disturbance": "pesq"}
CODER_KINDS = {"hybrid": "mdct"}


def with_current_names(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training's configuration with old names replaced by current ones."""
    renamed = dict(configuration)
    if isinstance(renamed.get("criterions"), list):
        renamed["criterions"] = [_renamed(item, "name", CRITERIONS) for item in renamed["criterions"]]
    if "coder_conf" in renamed:
        renamed["coder_conf"] = _renamed(renamed["coder_conf"], "kind", CODER_KINDS)
    return renamed


def _renamed(conf: Any, key: str, names: Mapping[str, str]) -> Any:
    if isinstance(conf, Mapping) and isinstance(conf.get(key), str):
        return {**conf, key: names.get(conf[key], conf[key])}
    return conf
