"""What a request asks with, by name: where each protocol has its inputs.

A batch has several rows, and what is found is one value for each. Nothing is understood here, only taken apart: what a value
amounts to says ``measures.py``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import prod

from modelrollout.collector.image import Tensor
from modelrollout.domain.capture import Protocol
from modelrollout.domain.jsonpath import MAX_VALUES

COLUMNS = 20
"""A table of at most so many columns is taken apart; a wider one is a tensor as a whole, such as an image."""
_MOST = 256
"""Names of one request that are looked at."""
_SCALARS = (bool, int, float, str)
_PROMPTS = ("prompt", "input")


@dataclass(frozen=True, slots=True)
class Rows:
    """One value for each row of a batch."""

    values: list[object]


def inputs_of(protocol: Protocol, document: object) -> dict[str, object]:
    """Return what a request asks with.

    Returns:
        By name: :class:`Rows`, a :class:`Tensor`, or a value of its own. Empty for a request of another form.
    """
    if not isinstance(document, dict):
        return {}
    match protocol:
        case Protocol.OPEN_INFERENCE:
            return dict(_tensors(document.get("inputs")))
        case Protocol.KSERVE_V1:
            return _instances(document.get("instances"))
        case Protocol.OPEN_AI:
            return dict(_said(document))
        case Protocol.HTTP:
            named = islice(document.items(), _MOST)
            return {name: value for name, value in named if value is None or isinstance(value, _SCALARS)}


def length_of(value: object) -> int:
    """Return how long something is: characters of its texts, and 1 for each other value in it but null."""
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, Tensor):
            waiting.append(one.data)
        elif isinstance(one, Rows):
            waiting.append(one.values)
        elif isinstance(one, list):
            kinds = set(map(type, one))
            if kinds <= {int, float, bool}:
                total += len(one)
            else:
                waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
        else:
            total += one is not None
    return total


def shaped(value: object) -> Tensor | None:
    """Return nested lists as a tensor, the first dimension that of the list itself; None when they have no common shape."""
    shape: list[int] = []
    while isinstance(value, list) and value and isinstance(value[0], list):
        widths = {len(row) if isinstance(row, list) else -1 for row in value}
        if len(widths) != 1:
            return None
        if not shape:
            shape.append(len(value))
        shape.append(widths.pop())
        value = [item for row in value for item in row]
    if not isinstance(value, list):
        return None
    return Tensor(value, tuple(shape) or (len(value),))


def _tensors(inputs: object) -> Iterator[tuple[str, object]]:
    """Yield the tensors of the open inference protocol."""
    for tensor in inputs[:_MOST] if isinstance(inputs, list) else ():
        match tensor:
            case {"name": str(name), "data": list(data)}:
                flat = shaped(data)
                shape = tensor.get("shape")
                if flat is not None and isinstance(shape, list) and all(type(size) is int for size in shape):
                    flat = Tensor(flat.data, tuple(shape)) if prod(shape) == len(flat.data) else flat
                if flat is not None:
                    yield from _columns(name, flat)
            case {"name": str(name)}:
                yield name, None
            case _:
                pass


def _columns(name: str, tensor: Tensor) -> Iterator[tuple[str, object]]:
    match tensor.shape:
        case (_,):
            yield name, Rows(tensor.data)
        case (_, 1):
            yield name, Rows(tensor.data)
        case (_, width) if 1 < width <= COLUMNS:
            yield from ((f"{name}[{column}]", Rows(tensor.data[column::width])) for column in range(width))
        case _:
            yield name, tensor


def _instances(instances: object) -> dict[str, object]:
    """Return the instances of KServe's first protocol: objects, lists, or single values."""
    if not isinstance(instances, list) or not instances:
        return {}
    rows = instances[:MAX_VALUES]
    if any(isinstance(row, dict) for row in rows):
        objects = [row if isinstance(row, dict) else {} for row in rows]
        return {name: Rows([row.get(name) for row in objects]) for name in _names(objects)}
    if not isinstance(rows[0], list):
        return {"instances": Rows(rows)}
    tensor = shaped(rows)
    return {"instances": Rows(rows)} if tensor is None else dict(_columns("instances", tensor))


def _names(objects: Iterable[Mapping[str, object]]) -> list[str]:
    return list(islice(dict.fromkeys(name for one in objects for name in one), _MOST))


def _said(document: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield what a person said to a chat or to a completion: all its texts together, and how many messages they are."""
    messages = document.get("messages")
    if isinstance(messages, list):
        said = [message.get("content") if isinstance(message, dict) else None for message in messages]
        yield "prompt", "".join(_texts(said))
        yield "messages", len(messages)
        return
    for name in _PROMPTS:
        if name in document:
            value = document[name]
            yield "prompt", None if value is None else "".join(_texts(value if isinstance(value, list) else [value]))


def _texts(contents: Iterable[object]) -> Iterator[str]:
    """Yield texts; a message may have several parts, of which some are images."""
    for content in contents:
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            yield from (
                part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
            )
