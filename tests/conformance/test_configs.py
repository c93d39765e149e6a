"""What holds for the config of every plugin, because it becomes a field of the CRD."""

import importlib
import inspect
import json
import pkgutil
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from modelrollout.api.modeldeployment import ModelDeploymentSpec
from modelrollout.errors import RolloutError
from modelrollout.registry import discover
from modelrollout.schema import ApiModel
from modelrollout.strategies._base import Strategy
from tests.conformance.examples import examples
from tests.conformance.plugins import ALL, KINDS


def models(model: type[ApiModel]) -> list[type[ApiModel]]:
    """Return a model and every model in it."""
    found = [model]
    for field in model.model_fields.values():
        waiting: list[Any] = [field.annotation]
        while waiting:
            part = waiting.pop()
            waiting += getattr(part, "__args__", ())
            if inspect.isclass(part) and issubclass(part, ApiModel):
                found += models(part)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_module_of_a_plugin_package_is_one_plugin(kind: str) -> None:
    package = importlib.import_module(f"modelrollout.{kind}")
    modules = {info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")}
    assert len(KINDS[kind]) == len(modules) > 0


@pytest.mark.parametrize("plugin", ALL)
def test_a_plugin_is_named_as_a_field_and_described(plugin: Any) -> None:
    assert plugin.name == to_camel(plugin.name)
    assert plugin.name.isalpha()
    assert inspect.getdoc(type(plugin))
    assert inspect.getdoc(importlib.import_module(type(plugin).__module__))


@pytest.mark.parametrize("plugin", ALL)
def test_its_config_and_each_field_have_a_description(plugin: Any) -> None:
    for model in models(plugin.config):
        assert inspect.getdoc(model) != inspect.getdoc(ApiModel), f"{model.__name__} has no docstring"
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            assert field.description.rstrip().endswith((".", ")")), f"{model.__name__}.{name} is no sentence"


@pytest.mark.parametrize("plugin", ALL)
def test_its_config_refuses_what_it_does_not_know_at_every_depth(plugin: Any) -> None:
    for model in models(plugin.config):
        for config in examples(model)[:1]:
            with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
                model.model_validate({**config, "unheardOf": 1})


@pytest.mark.parametrize("plugin", ALL)
def test_its_config_cannot_be_changed(plugin: Any) -> None:
    config = plugin.config.model_validate(examples(plugin.config)[0])
    for name in plugin.config.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(config, name, None)


@pytest.mark.parametrize("plugin", ALL)
def test_its_config_survives_its_own_json(plugin: Any) -> None:
    for config in examples(plugin.config):
        read = plugin.config.model_validate(config)
        assert plugin.config.model_validate_json(json.dumps(read.dump())) == read


@pytest.mark.parametrize("plugin", ALL)
def test_there_are_examples_that_set_every_field(plugin: Any) -> None:
    for model in models(plugin.config):
        written = {name for config in examples(model) for name in config}
        assert written == {field.alias or name for name, field in model.model_fields.items()}, model.__name__


def test_every_plugin_is_a_field_of_the_api() -> None:
    fields = json.dumps(ModelDeploymentSpec.model_json_schema())
    for found in KINDS.values():
        for name in found:
            assert f'"{name}"' in fields


def test_a_module_without_a_plugin_fails_loudly() -> None:
    with pytest.raises(RolloutError, match=r"modelrollout\.domain\.\w+ must define PLUGIN"):
        discover("modelrollout.domain", Strategy)  # type: ignore[type-abstract]  # none of them is an instance
