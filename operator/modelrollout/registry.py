"""Plugins are found by the tree alone: one module in a plugin package is one plugin.

A module named ``_something`` is shared code of its package and no plugin. Every other module must hold exactly one ``PLUGIN``;
its field name in the CRD is ``PLUGIN.name``.
"""

import importlib
import pkgutil
from typing import Protocol, TypeVar

from modelrollout.errors import RolloutError


class Named(Protocol):
    """What every plugin has."""

    @property
    def name(self) -> str:
        """The field name in the CRD, camelCase."""
        ...


P = TypeVar("P", bound=Named)


def discover(package: str, kind: type[P]) -> dict[str, P]:
    """Import all modules of a package and return their plugins by name, sorted.

    Args:
        package: dotted name, such as ``modelrollout.routers``.
        kind: the class or runtime-checkable protocol that each plugin must be an instance of.

    Raises:
        RolloutError: a module without PLUGIN, of the wrong kind, or two plugins with one name.
    """
    found: dict[str, P] = {}
    parent = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(parent.__path__), key=lambda item: item.name):
        if info.name.startswith("_"):
            continue
        plugin = getattr(importlib.import_module(f"{package}.{info.name}"), "PLUGIN", None)
        if not isinstance(plugin, kind):
            raise RolloutError(f"{package}.{info.name} must define PLUGIN as a {kind.__name__}.")
        if plugin.name in found:
            raise RolloutError(f"{package}.{info.name}: another plugin is already named {plugin.name}.")
        found[plugin.name] = plugin
    return dict(sorted(found.items()))
