"""JSON, or YAML as a longer way to write JSON: no aliases, no tags, and a plain word is a text unless JSON knows it.

So ``yes``, ``12:30`` and ``2026-01-01`` are texts, a small text cannot become an enormous value, and no key stands there twice.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

Json = Any


class PlainError(ValueError):
    """Why a text cannot be read, to go on after a name and a colon."""


class _Loader(yaml.SafeLoader):
    """See the module."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401  # yaml's signature
        if self.check_event(yaml.AliasEvent):
            raise PlainError("YAML aliases are not supported. Write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # yaml's signature
        _unique([key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), _first)


def read_plain(text: str) -> Json:
    """Return the value that a text stands for.

    Raises:
        PlainError: it stands for none.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except PlainError:
        raise
    except RecursionError as exc:
        raise PlainError("it is nested too deep") from exc
    except ValueError:
        return _from_yaml(text)


def _from_yaml(text: str) -> Json:
    try:
        # Keys that are no text, sets and infinite numbers are no JSON.
        return json.loads(json.dumps(yaml.load(text, _Loader), allow_nan=False))  # noqa: S506  # a safe loader with less
    except PlainError:
        raise
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        raise PlainError(f"it is neither JSON nor YAML{f' (line {mark.line + 1})' if mark else ''}") from exc
    except RecursionError as exc:
        raise PlainError("it is nested too deep") from exc
    except (TypeError, ValueError) as exc:
        raise PlainError("a value in it is no JSON") from exc


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    _unique([key for key, _ in pairs])
    return dict(pairs)


def _unique(keys: Iterable[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise PlainError(f"the key {key[:63]} stands there twice")
        seen.add(key)


def _no_number(word: str) -> Json:
    raise PlainError(f"{word} is no JSON")
