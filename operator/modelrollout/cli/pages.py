"""Pages of the reference that are written from the code: the operator's settings and its rights."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from modelrollout.adapters.rbac import OWN, SERVED, Right
from modelrollout.schema import format_duration
from modelrollout.settings import Settings

_SETTINGS = """\
<!-- Written by `modelrollout generate`. Do not edit: change operator/modelrollout/settings.py and run it again. -->
# Settings of the operator

Environment variables of the container `operator` in the Deployment `modelrollout-operator`. A change rolls the operator's
pods; it makes no new revision and restarts no model pod. A value that cannot be used ends the operator at once, with the
variable's name in its log.

Durations are a number and a unit, such as `35s`, `5m` or `1h30m`.

| variable | default | meaning |
|---|---|---|
"""
_RIGHTS = """\
<!-- Written by `modelrollout generate`. Do not edit: change operator/modelrollout/adapters/rbac.py and run it again. -->
# Rights of the operator

Nothing else is granted: no wildcard, no Secrets, no `exec`, nothing that grants rights. `docs/security.md` says what this
means, and which admission policy takes back what RBAC cannot express.
"""
_TABLE = "| group | resource | verb | why |\n|---|---|---|---|\n"


def settings_page() -> str:
    """Return ``docs/reference/settings.md``."""
    return _SETTINGS + "".join(f"{_setting(name, field)}\n" for name, field in Settings.model_fields.items())


def rights_page() -> str:
    """Return ``docs/reference/rights.md``."""
    return "\n".join(
        (
            _RIGHTS,
            "## In every namespace that it serves\n",
            _TABLE + "".join(_rows(SERVED)),
            "## In its own namespace\n",
            _TABLE + "".join(_rows(OWN)),
        )
    )


def _setting(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    return f"| `MODELROLLOUT_{name.upper()}` | {_default(field)} | {meaning} |"


def _default(field: FieldInfo) -> str:
    match field.get_default(call_default_factory=False):
        case None | () | "":
            return ""
        case value if value is PydanticUndefined or value == {}:
            return ""
        case timedelta() as span:
            return f"`{format_duration(span)}`"
        case bool() as flag:
            return f"`{str(flag).lower()}`"
        case value:
            return f"`{value}`"


def _rows(rights: Iterable[Right]) -> Iterator[str]:
    for right in rights:
        resource = f"`{right.resource}`" + (f" named {', '.join(right.names)}" if right.names else "")
        for verb, reason in right.verbs.items():
            yield f"| {right.group or 'core'} | {resource} | {verb} | {reason} |\n"
