"""ESPnet's losses from the list of a configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from espnet2.enh.loss.wrappers.abs_wrapper import AbsLossWrapper
from espnet2.tasks import enh


def build_loss_wrappers(criterions: Sequence[Mapping[str, Any]]) -> list[AbsLossWrapper]:
    """Return a wrapper with its criterion for each ``{"name", "conf", "wrapper", "wrapper_conf"}``."""
    return [
        enh.loss_wrapper_choices.get_class(item["wrapper"])(
            criterion=enh.criterion_choices.get_class(item["name"])(**item.get("conf", {})),
            **item.get("wrapper_conf", {}),
        )
        for item in criterions
    ]
