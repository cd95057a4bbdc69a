"""Metrics of enhanced speech: a registry of lazily loaded metrics, and the scoring of whole sets."""

from espnet_codecse.metrics.registry import Metric, get_metric, known_metrics, select

__all__ = ["Metric", "get_metric", "known_metrics", "select"]
