"""Reading golden examples from the data of a ConfigMap: each key is one, and each mistake is named by example and field."""

import json
import re
from collections.abc import Mapping
from typing import Any

from modelrollout.domain.golden import ABSENT, MOST_EXAMPLES, Example, Sent, Tolerance
from modelrollout.domain.jsonpath import parse_path
from modelrollout.engine.plain_yaml import PlainError, read_plain
from modelrollout.engine.subschema import is_number, mistakes

LARGEST = 256 * 1024
"""Bytes of all examples together."""
LONGEST_PATH = 256
SHOWN = 3
"""Mistakes that are told at once."""
METHODS = ("POST", "GET", "PUT")
OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that say how a request is sent; a pinned one could only break it."""
JUDGES = ("equals", "tolerance", "oneOf", "schema")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_PATH = re.compile(r"/[!-\"$-~]{0,2047}")
_VALUE = re.compile(r"[\t -~]{0,4096}")

Read = tuple[tuple[Example, ...], str]
"""Examples and no words, or none and what is wrong."""


class _MistakeError(ValueError):
    """What is wrong with one example: field and reason."""


def read_examples(data: Mapping[str, Any] | None) -> Read:
    """Read the data of a ConfigMap.

    Returns:
        The examples in the order of their names, or none and every mistake in words.
    """
    texts = dict(sorted((data or {}).items()))
    size = sum(len(str(text).encode()) for text in texts.values())
    if not texts:
        return (), "there is no example in its data"
    if len(texts) > MOST_EXAMPLES:
        return (), f"there are {len(texts)} examples in it; write at most {MOST_EXAMPLES}"
    if size > LARGEST:
        return (), f"its examples have {size // 1024} KiB; write at most {LARGEST // 1024}"
    found, wrong = [], []
    for name, text in texts.items():
        try:
            found.append(_example(name, _parsed(str(text))))
        except _MistakeError as exc:
            wrong.append(f"example {name}: {exc}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        return (), f"{'; '.join(wrong[:SHOWN])}{more}"
    return tuple(found), ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = read_plain(text)
    except PlainError as exc:
        raise _MistakeError(str(exc)) from exc
    if not isinstance(value, dict):
        raise _MistakeError("it is no object with request and expect")
    return value


def _example(name: str, raw: Mapping[str, Any]) -> Example:
    _only(raw, "", ("request", "expect"))
    request, expect = _object(raw, "request"), _object(raw, "expect")
    _only(expect, "expect.", ("status", "path", *JUDGES))
    judges = [key for key in JUDGES if key in expect]
    if len(judges) > 1:
        raise _MistakeError(f"expect has {' and '.join(judges)}. Write one of them")
    status = expect.get("status", 200)
    if type(status) is not int or not 100 <= status <= 599:
        raise _MistakeError("expect.status is no HTTP status")
    path = expect.get("path", "")
    if not isinstance(path, str) or (path and (len(path) > LONGEST_PATH or parse_path(path) is None)):
        raise _MistakeError("expect.path is no path such as outputs[0].data")
    return Example(
        name=name,
        sent=_sent(request),
        status=status,
        path=path,
        equals=expect.get("equals", ABSENT),
        tolerance=_tolerance(_object(expect, "tolerance", "expect.")) if "tolerance" in expect else None,
        one_of=_one_of(expect["oneOf"]) if "oneOf" in expect else (),
        schema=_schema(expect["schema"]) if "schema" in expect else None,
    )


def _sent(raw: Mapping[str, Any]) -> Sent:
    _only(raw, "request.", ("method", "path", "headers", "body"))
    method = raw.get("method", "POST")
    if method not in METHODS:
        raise _MistakeError(f"request.method is none of {', '.join(METHODS)}")
    path = raw.get("path")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise _MistakeError("request.path is no path that begins with / and holds neither spaces nor #")
    headers = _object(raw, "headers", "request.") if "headers" in raw else {}
    for key, value in headers.items():
        if not _TOKEN.fullmatch(key) or not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise _MistakeError(f"request.headers.{key} is no header. Write names and values as plain text")
        if key.lower() in OF_THE_CONNECTION:
            raise _MistakeError(f"request.headers.{key} says how the request is sent. Leave it out")
    if "body" not in raw:
        return Sent(method, path, dict(headers))
    if method == "GET":
        raise _MistakeError("request.body cannot go with GET. Write POST")
    typed = any(key.lower() == "content-type" for key in headers)
    body = json.dumps(raw["body"], ensure_ascii=False, separators=(",", ":")).encode()
    return Sent(method, path, dict(headers) if typed else {**headers, "content-type": "application/json"}, body)


def _tolerance(raw: Mapping[str, Any]) -> Tolerance:
    _only(raw, "expect.tolerance.", ("value", "absolute", "relative"))
    if "value" not in raw or not _numbers(raw["value"]):
        raise _MistakeError("expect.tolerance.value is no number and no list of numbers")
    bounds = [raw.get(key) for key in ("absolute", "relative")]
    if all(bound is None for bound in bounds):
        raise _MistakeError("expect.tolerance has neither absolute nor relative. Write one of them, or equals")
    for key, bound in zip(("absolute", "relative"), bounds, strict=True):
        if bound is not None and (not is_number(bound) or not 0 <= bound < float("inf")):
            raise _MistakeError(f"expect.tolerance.{key} is no number from 0 on")
    absolute, relative = (float(bound or 0) for bound in bounds)
    return Tolerance(raw["value"], absolute, relative)


def _numbers(value: Any) -> bool:  # noqa: ANN401  # JSON
    if isinstance(value, list):
        return bool(value) and all(map(_numbers, value))
    return is_number(value) and abs(value) < float("inf")


def _one_of(value: Any) -> tuple[Any, ...]:  # noqa: ANN401  # JSON
    if not isinstance(value, list) or not value:
        raise _MistakeError("expect.oneOf is no list with entries")
    return tuple(value)


def _schema(value: Any) -> Mapping[str, Any]:  # noqa: ANN401  # JSON
    found = next(mistakes(value, "expect.schema"), None)
    if found is not None:
        raise _MistakeError(found)
    return dict(value)


def _object(raw: Mapping[str, Any], key: str, place: str = "") -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, dict):
        raise _MistakeError(f"{place}{key} is {'no object' if key in raw else 'missing'}")
    return value


def _only(raw: Mapping[str, Any], place: str, known: tuple[str, ...]) -> None:
    unknown = next((key for key in raw if key not in known), None)
    if unknown is not None:
        raise _MistakeError(f"{place}{unknown} is no field. Write {', '.join(known)}")
