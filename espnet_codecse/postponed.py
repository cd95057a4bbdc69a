"""Modules whose import waits until they are used."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def postpone(name: str, *functions: str) -> None:
    """Put a stand-in for the module ``name`` into ``sys.modules``, which imports it when an attribute is asked for.

    ``from name import function`` asks for an attribute; for ``functions``, it gets one that imports when it is called.

    Nothing is done if the module is imported already, or if it or its package is not installed.
    ``importlib.util.LazyLoader`` does not serve: ``inspect`` asks every module for its file, which torch has it do
    during its own import.
    """
    try:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
    except ModuleNotFoundError:  # of the package
        spec = None
    if spec is None:
        return
    stand_in = ModuleType(name)
    stand_in.__spec__ = spec
    if spec.submodule_search_locations is not None:
        stand_in.__path__ = spec.submodule_search_locations

    def of_the_module(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    def calling(function: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            return of_the_module(function)(*arguments, **options)

        return call

    vars(stand_in).update({function: calling(function) for function in functions}, __getattr__=of_the_module)
    sys.modules[name] = stand_in
    parent, _, part = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], part, stand_in)
