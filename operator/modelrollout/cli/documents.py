"""ModelDeployments in files: what ``validate`` and ``explain`` read."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from modelrollout.errors import RolloutError
from modelrollout.names import GROUP, KIND


class _Loader(yaml.SafeLoader):
    """Reads what Kubernetes reads: JSON's types, so dates and times of day are texts; and no key twice."""

    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012  # PyYAML's own form

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


_OTHERWISE = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "int", "float"))
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OTHERWISE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _pattern, _first in (
    ("bool", r"[yYnN]", "yYnN"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_documents(file: str) -> Iterator[dict[str, Any]]:
    """Yield every ModelDeployment in a YAML or JSON file; other kinds are left out. ``-`` is standard input.

    Raises:
        RolloutError: it cannot be read, is no YAML, or holds something that is no Kubernetes object.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        documents = list(yaml.load_all(text, _Loader))  # a SafeLoader
    except (OSError, UnicodeError, yaml.YAMLError) as exc:
        raise RolloutError(f"{file} cannot be read: {exc}") from exc
    for number, document in enumerate(documents, start=1):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise RolloutError(
                f"{file}: document {number} is no Kubernetes object. Write apiVersion, kind, metadata, spec."
            )
        if _is_ours(document):
            yield document


def _is_ours(document: dict[str, Any]) -> bool:
    """Return whether a document is meant to be a ModelDeployment: a mistake in one of the two words is one to report."""
    return document.get("kind") == KIND or str(document.get("apiVersion", "")).startswith(f"{GROUP}/")
