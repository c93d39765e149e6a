"""The pod template: kept as it is, because a full PodSpec schema is hundreds of kilobytes and old on the next release.

Only what this operator relies on is checked here; the API server checks the rest by a dry run of the Deployment.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.domain.problem import Problem
from modelrollout.names import GROUP

_OURS = "are set by the operator and must not be in the template"
_OURS_REMEDY = f"Remove the labels that begin with {GROUP}/."

_OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEMPLATE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "metadata": {
            **_OPEN,
            "description": "Labels and annotations of the pods.",
            "properties": {
                "labels": {
                    "type": "object",
                    "description": "Labels of the pods.",
                    "maxProperties": 64,
                    "additionalProperties": {"type": "string", "maxLength": 63},
                    "x-kubernetes-validations": [
                        {
                            "rule": f"self.all(label, !label.startsWith('{GROUP}/'))",
                            "message": f"{_OURS}. {_OURS_REMEDY}",
                        }
                    ],
                }
            },
        },
        "spec": {
            **_OPEN,
            "description": "A PodSpec, kept as it is.",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "type": "array",
                    "description": "The containers; one of them is the model server.",
                    "minItems": 1,
                    "maxItems": 32,
                    "items": {
                        **_OPEN,
                        "description": "A container.",
                        "required": ["name", "image"],
                        "properties": {
                            "name": {"type": "string", "description": "Name of the container.", "maxLength": 63},
                            "image": {"type": "string", "description": "Its image.", "maxLength": 1024},
                        },
                    },
                },
                "restartPolicy": {
                    "type": "string",
                    "description": "Always, or absent: a model pod that ends is restarted.",
                    "enum": ["Always"],
                },
            },
        },
    },
}


def template_problems(template: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return what is wrong with a pod template, with paths from ``spec``."""
    return tuple(Problem(f"spec.template{path}", reason, remedy) for path, reason, remedy in _find(template))


def _find(template: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in sorted(template.keys() - {"metadata", "spec"}):
        yield (
            f".{name}",
            "is no field of a pod template",
            "Write only metadata and spec, as in a Deployment's template.",
        )
    metadata = template.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        yield ".metadata", "is no object", "Write labels and annotations in it, or leave it out."
    elif metadata:
        yield from _labels(metadata.get("labels"))
    spec = template.get("spec")
    if not isinstance(spec, Mapping):
        yield ".spec", "is missing", "Write a PodSpec with the container of the model server."
        return
    if spec.get("restartPolicy", "Always") != "Always":
        yield ".spec.restartPolicy", f"{spec['restartPolicy']} is not possible", "Leave it out, or write Always."
    yield from _containers(spec.get("containers"))


def _labels(labels: object) -> Iterator[tuple[str, str, str]]:
    if labels is None:
        return
    if not isinstance(labels, Mapping):
        yield ".metadata.labels", "is no object", "Write each label as `key: value`."
        return
    if any(str(label).startswith(f"{GROUP}/") for label in labels):
        yield ".metadata.labels", _OURS, _OURS_REMEDY
    for label, value in labels.items():
        if not isinstance(value, str):
            yield f".metadata.labels.{label}", f"{value} is no text", f'Put it in quotes: "{value}".'


def _containers(containers: object) -> Iterator[tuple[str, str, str]]:
    if not isinstance(containers, list) or not containers:
        yield ".spec.containers", "is missing or empty", "Write the container of the model server: a name and an image."
        return
    for index, container in enumerate(containers):
        place = f".spec.containers[{index}]"
        if not isinstance(container, Mapping):
            yield place, "is no container", "Write a name and an image."
            continue
        for field in ("name", "image"):
            if not isinstance(container.get(field), str) or not container[field]:
                yield f"{place}.{field}", "is missing", f"Write the container's {field}."
