"""Writes that go wrong: counted, so that a test can break each of them.

The counter runs over all writes of all operators, in the order in which they reach the API server.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

from modelrollout.adapters.protocols import Kube, Object
from modelrollout.domain.plan import Event
from modelrollout.errors import ConflictError, RolloutError, UnavailableError


class Fault(StrEnum):
    """What happens at a write."""

    CRASH_BEFORE = "crash-before"
    """The operator dies, and the write never arrives."""
    CRASH_AFTER = "crash-after"
    """The write arrives, and the operator dies."""
    UNAVAILABLE = "unavailable"
    """The API server does not answer, and nothing is written."""
    LOST_ANSWER = "lost-answer"
    """It is written, and the answer is lost."""
    CONFLICT = "conflict"
    """Somebody wrote in between."""
    FREEZE = "freeze"
    """The operator stands still just before the write, while a successor acts; then it wakes up and goes on."""


class CrashedError(RolloutError):
    """The operator died at a write."""


class Faults:
    """Which write goes wrong, and how.

    Args:
        wrote: told number and words of each write that is tried.
        meanwhile: what happens while an operator stands still.
    """

    def __init__(self, wrote: Callable[[int, str], None], meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._wrote = wrote
        self._meanwhile = meanwhile
        self.planned: dict[int, Fault] = {}
        self.count = 0

    async def around(self, what: str, write: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401  # whatever the write returns
        """Do one write, or what is planned for it.

        Raises:
            CrashedError: the operator dies here.
        """
        number, self.count = self.count, self.count + 1
        self._wrote(number, what)
        fault = self.planned.get(number)
        match fault:
            case Fault.CRASH_BEFORE:
                raise CrashedError(f"before {what}")
            case Fault.UNAVAILABLE:
                raise UnavailableError(f"{what}: no answer", 503)
            case Fault.CONFLICT:
                raise ConflictError(f"{what}: the object has been modified", 409)
            case Fault.FREEZE:
                await self._meanwhile()
            case Fault.CRASH_AFTER | Fault.LOST_ANSWER | None:
                pass
        answer = await write()
        if fault is Fault.CRASH_AFTER:
            raise CrashedError(f"after {what}")
        if fault is Fault.LOST_ANSWER:
            raise UnavailableError(f"{what}: the answer was lost", 0)
        return answer


class FaultyKube:
    """Implements :class:`modelrollout.adapters.protocols.Kube` with faults at its writes.

    Args:
        kube: the API server.
        faults: what goes wrong.
    """

    def __init__(self, kube: Kube, faults: Faults) -> None:
        self._kube = kube
        self._faults = faults

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object."""
        return await self._kube.get(kind, namespace, name)

    async def apply(self, body: Mapping[str, Any], fence: str | None = None) -> Object:
        """Server-side apply."""
        applied: Object = await self._faults.around(
            f"apply {body['kind']} {body['metadata']['name']}", lambda: self._kube.apply(body, fence)
        )
        return applied

    async def dry_run(self, body: Mapping[str, Any]) -> None:
        """Ask whether an apply would be accepted."""
        await self._kube.dry_run(body)

    async def delete(self, kind: str, namespace: str, name: str, uid: str, resource_version: str) -> None:
        """Delete one object."""
        await self._faults.around(
            f"delete {kind} {name}", lambda: self._kube.delete(kind, namespace, name, uid, resource_version)
        )

    async def patch_status(self, namespace: str, name: str, status: Mapping[str, Any], resource_version: str) -> Object:
        """Replace the status."""
        written: Object = await self._faults.around(
            f"status of {name}", lambda: self._kube.patch_status(namespace, name, status, resource_version)
        )
        return written

    async def nudge(self, namespace: str, pod: str, value: str) -> None:
        """Set our annotation on a router pod."""
        await self._faults.around(f"nudge {pod}", lambda: self._kube.nudge(namespace, pod, value))

    async def emit(self, regarding: Mapping[str, Any], event: Event) -> None:
        """Post an Event; it may be lost, so nothing is made to go wrong here."""
        await self._kube.emit(regarding, event)
