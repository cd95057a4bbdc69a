"""Old names in configurations and checkpoints, so that packs of earlier versions load and experiments resume."""

from collections.abc import Mapping
from typing import Any

CRITERIONS = {"perceptual_disturbance": "pesq"}
CODER_KINDS = {"hybrid": "mdct"}
TASKS = {"ssl_gcrn": "causal"}
# Weights that earlier versions had, and trained with no loss, where ssl_gcrn is given features.
UNUSED_WEIGHTS = ("separator.network.predictor.",)


def with_current_names(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training's configuration with old names replaced by current ones."""
    renamed = _renamed(dict(configuration), "task", TASKS)
    if isinstance(renamed.get("criterions"), list):
        renamed["criterions"] = [_renamed(item, "name", CRITERIONS) for item in renamed["criterions"]]
    if "coder_conf" in renamed:
        renamed["coder_conf"] = _renamed(renamed["coder_conf"], "kind", CODER_KINDS)
    return renamed


def without_unused_weights(model: Any, weights: Any) -> Any:
    """Return the weights of a checkpoint without :data:`UNUSED_WEIGHTS` that ``model`` does not have."""
    if not isinstance(weights, Mapping):
        return weights
    own = model.state_dict().keys()
    return {key: value for key, value in weights.items() if key in own or not str(key).startswith(UNUSED_WEIGHTS)}


def _renamed(conf: Any, key: str, names: Mapping[str, str]) -> Any:
    if isinstance(conf, Mapping) and isinstance(conf.get(key), str):
        return {**conf, key: names.get(conf[key], conf[key])}
    return conf
