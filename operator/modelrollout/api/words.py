"""Words for mistakes: from an error of pydantic to a reason and a remedy that a person can act on."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from modelrollout.schema import RuleError

NOT_YET = {
    "gatewayAPI": "Use envoy, the built-in router, or direct.",
    "istio": "Use envoy, the built-in router, or direct.",
    "stickyUsers": "Every request is split by itself; leave it out.",
    "drift": "Use threshold with a fixed limit.",
}
"""Fields that people know from elsewhere, or from our plans, and that this version does not have."""

NO_SUCH_VALUE = {
    ("protocol", "grpc"): "Serve the model over HTTP.",
    ("protocol", "gRPC"): "Serve the model over HTTP.",
    ("protocol", "tls"): "Let the model server answer plain HTTP inside the cluster.",
    ("protocol", "https"): "Let the model server answer plain HTTP inside the cluster.",
}

_TYPES = {
    "int_type": "Write a whole number without quotes.",
    "int_from_float": "Write a whole number.",
    "float_type": "Write a number without quotes.",
    "bool_type": "Write true or false without quotes.",
    "string_type": "Write a text, in quotes if it looks like a number.",
    "tuple_type": "Write a list: each item on a line that begins with `- `.",
    "list_type": "Write a list: each item on a line that begins with `- `.",
    "model_type": "Write an object: its fields indented below it, or {}.",
    "dict_type": "Write an object: its fields indented below it.",
}
_REMEDIES = {
    ("weight", 0): "Leave the step out; `shadow` copies requests to a candidate that answers nobody.",
    ("weight", 100): "Leave the step out: 100 is what comes after the steps.",
}


def explain(error: ErrorDetails, known: Iterable[str], description: str) -> tuple[str, str]:  # noqa: PLR0911  # one line for each kind of mistake: a table
    """Return reason and remedy.

    Args:
        error: one error of pydantic.
        known: fields that the object around it has.
        description: of the field, empty when there is no such field.
    """
    field = str(next((part for part in reversed(error["loc"]) if isinstance(part, str)), ""))
    kind, given, limits = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown(field, known)
        case "missing":
            return "is missing", f"It says: {_first(description)}"
        case "literal_error" | "enum":
            return _no_value(field, given, str(limits["expected"]))
        case "value_error":
            return split(str(limits["error"]))
        case "string_pattern_mismatch":
            return f"{given!r} has characters that it must not have", _pattern_remedy(field)
        case "string_too_long":
            return f"has {len(given)} characters", f"Use at most {limits['max_length']}."
        case "string_too_short" | "too_short":
            return "is empty", f"It says: {_first(description)}"
        case "too_long":
            return f"has {limits['actual_length']} items", f"Use at most {limits['max_length']}."
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return _out_of_range(field, given, kind, limits)
        case _ if kind in _TYPES:
            return f"{_shown(given)} is of the wrong type", _TYPES[kind]
        case _:
            return f"cannot be used ({error['msg']})", _first(description)


def rule_path(error: ErrorDetails) -> str:
    """Return the path, below the error's own place, of the field that a broken rule blames."""
    cause = error.get("ctx", {}).get("error")
    return cause.rule.path if isinstance(cause, RuleError) else ""


def split(message: str) -> tuple[str, str]:
    """Return reason and remedy of a message: the remedy begins after the first full stop."""
    reason, _, remedy = message.partition(". ")
    return reason.removesuffix("."), f"{remedy.removesuffix('.')}." if remedy else "See the reference."


def _unknown(field: str, known: Iterable[str]) -> tuple[str, str]:
    if field in NOT_YET:
        return "is not supported by this version", NOT_YET[field]
    names = sorted(known)
    near = difflib.get_close_matches(field.lower(), [name.lower() for name in names], n=1)
    if near:
        return "is no field", f"Did you mean {next(name for name in names if name.lower() == near[0])}?"
    return "is no field", f"The fields here are {', '.join(names)}." if names else "Nothing can be written here."


def _no_value(field: str, given: object, expected: str) -> tuple[str, str]:
    remedy = NO_SUCH_VALUE.get((field, str(given)))
    if remedy:
        return f"{given} is not supported by this version", remedy
    return f"{_shown(given)} is no {field}", f"Write {expected.replace(chr(39), '')}."


def _out_of_range(field: str, given: Any, kind: str, limits: Mapping[str, Any]) -> tuple[str, str]:  # noqa: ANN401  # a number
    limit = next(limits[name] for name in ("gt", "ge", "lt", "le") if name in limits)
    above = kind.startswith("less")
    side = {
        "greater_than": "must be above",
        "greater_than_equal": "must be at least",
        "less_than": "must be below",
        "less_than_equal": "must be at most",
    }[kind]
    reason = f"{given:g} {side} {limit:g}"
    if (field, given) in _REMEDIES:
        return reason, _REMEDIES[field, given]
    if above and limit == 1 and given <= 100:
        return reason, f"Write {given / 100:g} for {given:g} %: it is a fraction of 1."
    return reason, f"Write a number {'up to' if above else 'from'} {limit:g}{' on' if not above else ''}."


def _pattern_remedy(field: str) -> str:
    if field in ("path", "redact"):
        return "Write names joined by dots, each with the index of an item in brackets or [*] for all, such as outputs[0].data."
    if field == "header":
        return "Write it in lower case: letters, digits and '-'."
    if field == "configMap":
        return "Use lower-case letters, digits, '-' and '.', beginning and ending with a letter or a digit."
    if field == "name":
        return "Use letters, digits and '-', beginning with a letter and ending with a letter or a digit."
    return "See the reference."


def _shown(given: object) -> str:
    match given:
        case None:
            return "nothing"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case bool():
            return str(given).lower()
        case _:
            return repr(given)[:80]


def _first(description: str) -> str:
    """Return the first sentence."""
    sentence = " ".join(description.split()).partition(". ")[0]
    return f"{sentence.removesuffix('.')}."
