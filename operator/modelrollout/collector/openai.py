"""What the answers of an OpenAI-compatible server hold beside the text: why it ended, and refusals."""

import json
from typing import Any

from modelrollout.domain.jsonpath import ABSENT, read_path

PATHS = ("choices[0].message.content", "choices[0].text", "data[0].embedding")
"""Where chat, completions and embeddings have what the model said."""
_CALLS = 64
_REASONS = frozenset(("stop", "length", "content_filter", "tool_calls"))


def content(document: object) -> object:
    """Return what the model said; for a call of tools their names and arguments; ABSENT when the answer is of another form."""
    message = read_path(document, "choices[0].message")
    if not isinstance(message, dict):
        found = (read_path(document, path) for path in PATHS[1:])
        return next((value for value in found if value is not ABSENT), ABSENT)
    said = message.get("content")
    return said or _calls(message) or said


def refusal(document: object) -> bool:
    """Return whether the model refused."""
    return bool(_text(read_path(document, "choices[0].message.refusal")))


def finish(document: object) -> str:
    """Return why the text ended; empty where that is not said."""
    reason = read_path(document, "choices[0].finish_reason")
    if reason is ABSENT:
        return ""
    return reason if isinstance(reason, str) and reason in _REASONS else "other"


def _calls(message: dict[str, Any]) -> str | None:
    """Return the tools that are called, and with what; the ids of the calls are new each time."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not calls:
        return None
    try:
        said = [{name: call[name] for name in call if name not in ("id", "index")} for call in calls[:_CALLS]]
        return json.dumps(said, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
