"""One-of by field presence: a model with one optional field per plugin, of which exactly one is given.

No unions and no ``type:`` field: a structural schema can say neither, and ``envoy: {replicas: 2}`` reads better. The fields come
from the registries, so a new plugin is a new field without a line here.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from pydantic import Field, create_model

from modelrollout.registry import Named
from modelrollout.schema import ApiModel, Rule


class Configurable(Named, Protocol):
    """A plugin whose config becomes a field."""

    @property
    def config(self) -> type[ApiModel]:
        """The field's model."""
        ...


M = TypeVar("M", bound=ApiModel)
P = TypeVar("P", bound=Named)


def compose(base: type[M], plugins: Iterable[Configurable], *rules: Rule) -> type[M]:
    """Return a subclass with one optional field per plugin, described by the docstring of the plugin's config.

    Args:
        base: gives the subclass its name, its other fields and its methods.
        plugins: what to choose from.
        rules: which choices are valid, see :func:`exactly_one`.
    """
    fields: dict[str, Any] = {
        plugin.name: (plugin.config | None, Field(None, alias=plugin.name, description=inspect.getdoc(plugin.config)))
        for plugin in plugins
    }
    model = create_model(base.__name__, __base__=base, __module__=base.__module__, __doc__=base.__doc__, **fields)
    model.rules = (*base.rules, *rules)
    return model


def exactly_one(what: str, names: Iterable[str]) -> Rule:
    """Return the rule that exactly one of some fields is given."""
    known = sorted(names)
    given = ", ".join(f"has(self.{name})" for name in known)
    return Rule(
        lambda model: sum(getattr(model, name) is not None for name in known) == 1,
        f"[{given}].filter(given, given).size() == 1",
        f"must name exactly one {what}. Write one of {', '.join(known)}, with its settings in {{}}.",
    )


def chosen(model: ApiModel, plugins: Mapping[str, P]) -> tuple[P, Any]:
    """Return the plugin whose field is given, and its config."""
    return next((plugin, config) for name, plugin in plugins.items() if (config := getattr(model, name)) is not None)
