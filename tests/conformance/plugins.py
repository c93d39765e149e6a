"""Every plugin that there is, with every example of its config."""

from typing import Any

import pytest

from modelrollout.api.modeldeployment import JUDGES, ROUTERS, SOURCES, STRATEGIES
from tests.conformance.examples import examples

KINDS: dict[str, dict[str, Any]] = {"strategies": STRATEGIES, "routers": ROUTERS, "sources": SOURCES, "judges": JUDGES}
ALL = [pytest.param(plugin, id=f"{kind}/{name}") for kind, found in KINDS.items() for name, plugin in found.items()]


def with_configs(plugins: dict[str, Any]) -> list[Any]:
    """Return parameters: a plugin and one config, for each example."""
    return [
        pytest.param(plugin, plugin.config.model_validate(config), id=f"{name}-{number}")
        for name, plugin in plugins.items()
        for number, config in enumerate(examples(plugin.config))
    ]
