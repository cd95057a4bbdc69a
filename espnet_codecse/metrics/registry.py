"""The registry of metric families, which are looked up by the names of their columns."""

import importlib
from collections.abc import Sequence

from espnet_codecse.errors import UserError
from espnet_codecse.metrics.abs_metric import AbsMetricFamily, Metric

# Modules that register their families on import; packages are imported only when a score is computed.
FAMILY_MODULES = (
    "sdr",
    "interference",
    "pesq",
    "stoi",
    "composite",
    "spectral_distance",
    "high_band",
    "visqol",
    "dnsmos",
    "distillmos",
    "utmos",
    "nisqa",
    "reverberation",
    "speaker",
    "recognition",
)
DEFAULT_METRICS = "SI_SDR SDR PESQ STOI ESTOI DNSMOS DISTILLMOS"

_FAMILIES: dict[str, type[AbsMetricFamily]] = {}
_GROUPS: dict[str, tuple[str, ...]] = {}


def register(group: str = ""):
    """Class decorator: register a family by the names of its columns, and by ``group`` for all of them together.

    Raises:
        ValueError: a name is taken.
    """

    def _register(family: type[AbsMetricFamily]) -> type[AbsMetricFamily]:
        names = [column.name for column in family.columns]
        for name in names + ([group] if group else []):
            if name in _FAMILIES or name in _GROUPS:
                raise ValueError(f"the metric name '{name}' is registered twice")
        _FAMILIES.update(dict.fromkeys(names, family))
        if group:
            _GROUPS[group] = tuple(names)
        return family

    return _register


def _import_families() -> None:
    for module in FAMILY_MODULES:
        importlib.import_module(f"espnet_codecse.metrics.{module}")


def known_metrics() -> list[Metric]:
    """Return all metrics in the order of :data:`FAMILY_MODULES`, regardless of the order of imports."""
    _import_families()
    modules = [f"espnet_codecse.metrics.{module}" for module in FAMILY_MODULES]

    def rank(name: str) -> int:
        module = _FAMILIES[name].__module__
        return modules.index(module) if module in modules else len(modules)

    return [get_metric(name) for name in sorted(_FAMILIES, key=rank)]


def groups() -> dict[str, tuple[str, ...]]:
    """Return the groups and their metrics."""
    _import_families()
    return dict(_GROUPS)


def get_metric(name: str) -> Metric:
    """Return the description of one metric.

    Raises:
        UserError: the metric is unknown; the message lists the known ones.
    """
    _import_families()
    if name not in _FAMILIES:
        singles = [metric.name for metric in known_metrics()]
        known = ", ".join([*singles, *(f"{group} (= {' '.join(names)})" for group, names in _GROUPS.items())])
        raise UserError(f"--metrics: unknown metric '{name}'; known: {known}")
    return next(column for column in _FAMILIES[name].columns if column.name == name)


def select(names: Sequence[str]) -> list[Metric]:
    """Return the metrics for names of metrics and groups, without duplicates, in the given order.

    Raises:
        UserError: a metric is unknown, or none is given.
    """
    _import_families()
    expanded = [column for name in names for column in _GROUPS.get(name, (name,))]
    if not expanded:
        raise UserError(f"--metrics: no metric given; for example --metrics '{DEFAULT_METRICS}'")
    return [get_metric(name) for name in dict.fromkeys(expanded)]


def higher_is_better(name: str) -> bool:
    """Return a metric's direction; columns that are not registered count as higher is better."""
    _import_families()
    return get_metric(name).higher_is_better if name in _FAMILIES else True


def family_of(name: str) -> type[AbsMetricFamily]:
    """Return the family class that computes the metric ``name``."""
    get_metric(name)
    return _FAMILIES[name]
