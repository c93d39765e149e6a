"""Whether an answer is the one that a golden example expects, and both in few enough words to be shown."""

import json
from typing import Any

from modelrollout.domain import jsonpath
from modelrollout.domain.golden import ABSENT, LONGEST_SHOWN, Answer, Example, ExampleResult, Tolerance
from modelrollout.engine.subschema import is_number, same, violation

SHORT = 40
"""Characters that are kept of an answer that was the expected one."""


def match(example: Example, answer: Answer) -> ExampleResult:
    """Hold an answer against what an example expects."""
    if answer.status != example.status:
        got = f"HTTP {answer.status} {_text(answer.body)}".strip()
        return _result(example, f"HTTP {example.status}", got, ok=False)
    judged = example.equals is not ABSENT or example.tolerance or example.one_of or example.schema is not None
    if not judged and not example.path:
        return _result(example, f"HTTP {example.status}", f"HTTP {answer.status}", ok=True)
    try:
        whole = json.loads(answer.body)
    except (ValueError, RecursionError):
        return _result(example, "JSON", _text(answer.body) or "an empty answer", ok=False)
    found = jsonpath.read_path(whole, example.path) if example.path else whole
    if found is jsonpath.ABSENT:
        return _result(example, f"something at {example.path}", shown(whole), ok=False)
    expected, ok = _expect(example, found)
    return _result(example, expected, shown(found), ok=ok)


def _expect(example: Example, found: Any) -> tuple[str, bool]:  # noqa: ANN401  # JSON
    """Return what is expected, in words, and whether it was found."""
    if example.equals is not ABSENT:
        return shown(example.equals), same(found, example.equals)
    if example.tolerance is not None:
        return near_words(example.tolerance), near(example.tolerance, found)
    if example.one_of:
        return f"one of {shown(list(example.one_of))}", any(same(found, one) for one in example.one_of)
    if example.schema is not None:
        broken = violation(example.schema, found)
        return broken or "what the schema says", broken is None
    return f"something at {example.path}", True


def near(tolerance: Tolerance, found: Any) -> bool:  # noqa: ANN401  # JSON
    """Return whether numbers are near enough; lists must have the same form."""
    return _near(tolerance.value, found, tolerance)


def _near(wanted: Any, found: Any, tolerance: Tolerance) -> bool:  # noqa: ANN401  # JSON
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return False
        return all(_near(one, other, tolerance) for one, other in zip(wanted, found, strict=True))
    if not is_number(found):
        return False
    try:
        # NaN and infinity are near nothing.
        return bool(abs(found - wanted) <= max(tolerance.absolute, tolerance.relative * abs(wanted)))
    except OverflowError:
        return False


def near_words(tolerance: Tolerance) -> str:
    """Return a tolerance for people."""
    parts = []
    if tolerance.absolute or not tolerance.relative:
        parts.append(f"{tolerance.absolute:g}")
    if tolerance.relative:
        parts.append(f"{100 * tolerance.relative:g} %")
    return f"{_cut(shown(tolerance.value), 120)} ± {' or '.join(parts)}"


def shown(value: Any) -> str:  # noqa: ANN401  # JSON
    """Return a JSON value in one line, shortened."""
    return _cut(json.dumps(value, ensure_ascii=False, separators=(",", ":")), LONGEST_SHOWN)


def _text(body: bytes) -> str:
    return _cut(" ".join(body[: 4 * LONGEST_SHOWN].decode(errors="replace").split()), LONGEST_SHOWN - 10)


def _cut(text: str, longest: int) -> str:
    # What a model answers may hold anything; in a status it must be one line of plain characters.
    plain = "".join(sign if sign.isprintable() else "�" for sign in text)
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def _result(example: Example, expected: str, got: str, *, ok: bool) -> ExampleResult:
    longest = SHORT if ok else LONGEST_SHOWN
    return ExampleResult(name=example.name, ok=ok, expected=_cut(expected, longest), got=_cut(got, longest))
