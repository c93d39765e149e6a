"""Is an object already as we want it? Answered from what was observed, so that a steady state writes nothing.

Every object carries a hash of what was last applied. An equal hash says that we want nothing new; whether somebody else
changed what we own is seen by comparing field by field. Fields that the API server filled in are not ours and not compared.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from modelrollout.names import ANNOTATION_APPLIED, COMPONENT_MODEL, LABEL_COMPONENT

_EXACT = frozenset({"selector", "matchLabels", "data"})
"""Maps in which a key of somebody else changes the meaning of ours: one more label in a selector selects nothing."""


def stamp(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the hash of its own content as annotation."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    metadata = body["metadata"]
    annotations = {**metadata.get("annotations", {}), ANNOTATION_APPLIED: digest}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def needs_write(stamped: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Return whether an object must be applied.

    Args:
        stamped: from :func:`stamp`.
        live: what is there, None when nothing is.
    """
    if live is None:
        return True
    if live["metadata"].get("deletionTimestamp"):
        # It is on its way out; once it is gone it is made anew.
        return False
    # A ControllerRevision cannot be changed once it exists; its name is the hash of its content.
    if stamped["kind"] == "ControllerRevision":
        return not _covers(stamped["metadata"], live["metadata"])
    return not _covers(_compared(stamped), live)


def _compared(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out a model's pod template: it is written once, in the user's own spelling of quantities and empty fields.

    The API server stores those differently, and verified pods must never be restarted to correct a spelling.
    """
    if body["metadata"]["labels"].get(LABEL_COMPONENT) != COMPONENT_MODEL or body["kind"] != "Deployment":
        return body
    return {**body, "spec": {key: value for key, value in body["spec"].items() if key != "template"}}


def _covers(want: Any, live: Any) -> bool:  # noqa: ANN401  # JSON
    """Return whether everything in one value is in another."""
    match want, live:
        case Mapping(), Mapping():
            return all(
                live.get(key) == value if key in _EXACT else key in live and _covers(value, live[key])
                for key, value in want.items()
            )
        case list(), list():
            return len(want) <= len(live) and all(_covers(item, other) for item, other in zip(want, live, strict=False))
        case _:
            return bool(want == live)
