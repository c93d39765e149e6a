"""Requests and answers as bodies, in the protocol that a capture names and with what it looks for at its place."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from modelrollout.collector.collector import Message
from modelrollout.domain.capture import Capture, Extraction, Kind, Part, Protocol
from modelrollout.domain.jsonpath import Step, parse_path
from modelrollout.simulation.kinds import ERROR, NULL, POSITIVE

_PLACES = {
    Protocol.OPEN_INFERENCE: "outputs[0].data",
    Protocol.KSERVE_V1: "predictions",
    Protocol.OPEN_AI: "choices[0].message.content",
    Protocol.HTTP: "prediction",
}
"""Where a protocol has its prediction."""


def request(capture: Capture, name: str, number: str, values: Mapping[str, object] | None = None) -> Message:
    """Return a request of one part of the traffic; of no part when the capture knows none of that name.

    Nobody can tell of which value a hash is made: such a part gets no request.

    Args:
        capture: which parts and features there are.
        name: of the part.
        number: its id.
        values: of features.
    """
    document = _inputs(capture, values or {})
    part = next((part for part in capture.parts if part.name == name and not part.hashed), None)
    headers = {}
    if part is not None and part.header is not None:
        headers = {part.header: str(_value(part))}
    elif part is not None:
        document = _written(document, part.path or "", _value(part))
    return Message(number, headers=headers, body=json.dumps(document).encode())


def _inputs(capture: Capture, values: Mapping[str, object]) -> Any:  # noqa: ANN401  # JSON
    """Return values where the capture looks for them, or where the protocol has what is called so."""
    named = capture.observed.features if capture.observed is not None else ()
    paths = {feature.name: feature.path for feature in named if feature.path is not None}
    document: Any = {}
    for name, value in values.items():
        tensors = document.get("inputs", [])
        match paths.get(name), capture.protocol:
            case str(path), _:
                document = _written(document, path.replace("[*]", "[0]"), value)
            case None, Protocol.OPEN_INFERENCE:
                tensor = {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
                document = {**document, "inputs": [*tensors, tensor]}
            case None, Protocol.KSERVE_V1:
                document = {**document, "instances": [{**(document.get("instances") or [{}])[0], name: value}]}
            case _:
                document = {**document, name: value}
    return document


def answer(capture: Capture, said: str, number: str, arm: str, asked: Message) -> Message:
    """Return what a version answers that says so much."""
    if said == ERROR:
        return Message(number, arm=arm, status=500, headers=asked.headers)
    document: Any = {}
    if capture.protocol is Protocol.OPEN_AI:
        document = {"choices": [{"finish_reason": "stop"}]}
    for extraction in _extractions(capture):
        document = _written(
            document, extraction.path or _PLACES[capture.protocol], _prediction(capture, extraction, said)
        )
    return Message(number, arm=arm, body=json.dumps(document).encode(), headers=asked.headers)


def _extractions(capture: Capture) -> Iterator[Extraction]:
    """Yield where anybody looks for a prediction."""
    yield from capture.extractions
    if capture.observed is not None and capture.observed.output is not None:
        yield capture.observed.output
    if capture.labelled is not None:
        yield capture.labelled.output


def label(capture: Capture, output: Extraction, right: str) -> object:
    """Return what somebody sends who knows what would have been right."""
    return _prediction(capture, output, right)


def _prediction(capture: Capture, extraction: Extraction, said: str) -> Any:  # noqa: ANN401  # JSON
    value: Any = None if said == NULL else float(said == POSITIVE) if extraction.kind is Kind.NUMBER else said
    if extraction.path is not None or capture.protocol is Protocol.OPEN_AI:
        return [value] if extraction.kind is Kind.RANKING else value
    return [value]


def _value(part: Part) -> str | float:
    """Return a value that belongs to a part."""
    if part.value is not None:
        return part.value
    return part.low if part.low is not None else (part.high or 0.0) - 1


def _written(document: Any, path: str, value: Any) -> Any:  # noqa: ANN401  # JSON
    """Return a document that has a value at a path."""
    return _set(document, parse_path(path) or (), value)


def _set(document: Any, steps: tuple[Step, ...], value: Any) -> Any:  # noqa: ANN401  # JSON
    if not steps:
        return value
    first, *rest = steps
    if isinstance(first, str):
        known = document if isinstance(document, dict) else {}
        return {**known, first: _set(known.get(first), tuple(rest), value)}
    items = list(document) if isinstance(document, list) else []
    at = first if isinstance(first, int) else 0
    items += [None] * (at + 1 - len(items))
    items[at] = _set(items[at], tuple(rest), value)
    return items
