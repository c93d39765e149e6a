"""Is an object already as we want it? Answered from what was observed, so that a steady state writes nothing.

Every object carries a hash of what was last applied. An equal hash says that we want nothing new; whether somebody else
changed what we own is seen by comparing field by field. Fields that the API server filled in are not ours and not compared.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from modelrollout.names import ANNOTATION_APPLIED, COMPONENT_MODEL, LABEL_COMPONENT

_EXACT = frozenset({"selector", "matchLabels", "data"})
"""Maps in which a key of somebody else changes the meaning of ours: one more label in a selector selects nothing."""


REMEMBERED = 1024
"""Objects of which the last stamped form is kept: nearly every pass wants what the one before wanted."""
_remembered: OrderedDict[tuple[str, str, str], tuple[Mapping[str, Any], dict[str, Any]]] = OrderedDict()


def stamp(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the hash of its own content as annotation. Neither of the two may be changed afterwards."""
    place = (body["kind"], body["metadata"]["namespace"], body["metadata"]["name"])
    last = _remembered.get(place)
    # Python takes 1 and True for equal. A field of ours has one type, and a user's template has its hash in its place's name.
    if last is not None and last[0] == body:
        return last[1]
    stamped = _stamp(body)
    _remembered[place] = (body, stamped)
    if len(_remembered) > REMEMBERED:
        _remembered.popitem(last=False)
    return stamped


def _stamp(body: Mapping[str, Any]) -> dict[str, Any]:
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
    # Asked of every field at every pass, so by the types that JSON has and not by what could stand for them.
    if isinstance(want, dict):
        if not isinstance(live, dict):
            return False
        for key, value in want.items():
            if key not in live or (live[key] != value and (key in _EXACT or not _covers(value, live[key]))):
                return False
        return True
    if isinstance(want, list):
        if not isinstance(live, list) or len(want) > len(live):
            return False
        return all(item == other or _covers(item, other) for item, other in zip(want, live, strict=False))
    return bool(want == live)
