"""Leader election by a Lease: at most one replica writes.

Rules that make it safe where clocks differ and servers hang: another's lease is judged by our own monotonic clock since
its record last *changed*; our own lease counts from the *start* of the last request that renewed it; and we stop
writing (``deadline``) before anybody may take over (``duration``).
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from modelrollout.errors import ConflictError, KubeError

logger = logging.getLogger(__name__)


class Leases(Protocol):
    """What the elector needs of the API server."""

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """Return the Lease, None when it does not exist."""
        ...

    async def put_lease(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create the Lease, or replace it when the body carries a resourceVersion."""
        ...


@dataclass(frozen=True)
class Terms:
    """Identity and times, in seconds.

    Attributes:
        namespace: of the Lease.
        name: of the Lease.
        identity: of this process; unique, also after a restart of the same pod.
        duration: others may take over after so long without a renewal.
        deadline: we stop writing after so long without a renewal.
        retry: pause between attempts.
    """

    namespace: str
    name: str
    identity: str
    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


class Elector:
    """Holds, or waits for, the Lease.

    Args:
        leases: the API server.
        terms: identity and times.
        monotonic: seconds on a clock that never jumps.
        clock: the current time, written into the Lease for people.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        leases: Leases,
        terms: Terms,
        monotonic: Callable[[], float],
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._terms = terms
        self._monotonic = monotonic
        self._clock = clock
        self._sleep = sleep
        self._renewed: float | None = None
        self._record: tuple[object, ...] | None = None
        self._record_since = 0.0

    @property
    def leads(self) -> bool:
        """Whether this process may write now. Asked before each write; becomes False by itself when time runs out."""
        return self._renewed is not None and self._monotonic() - self._renewed < self._terms.deadline

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while not await self.attempt():
            await self._sleep(self._terms.retry * random.uniform(0.8, 1.2))  # noqa: S311  # spreads attempts, protects nothing

    async def hold(self) -> None:
        """Renew until the lease is lost; then return."""
        while self.leads:
            await self._sleep(self._terms.retry)
            await self.attempt()
        logger.error("the lease is lost", extra={"lease": self._terms.name, "identity": self._terms.identity})

    async def attempt(self) -> bool:
        """Try once to get or renew the Lease; return whether this process leads afterwards."""
        start = self._monotonic()
        try:
            # A request that hangs must not outlive the deadline; the transport's own limit may be longer than our rest.
            async with asyncio.timeout(self._terms.deadline / 2):
                if await self._try():
                    self._renewed = start
        except ConflictError:
            # Somebody wrote it between our read and our write: the next read says who. Until then our time runs out.
            logger.info("the lease was written by somebody else", extra={"lease": self._terms.name})
        except (KubeError, TimeoutError) as exc:
            logger.warning("the lease could not be renewed", extra={"error": str(exc), "leads": self.leads})
        return self.leads

    async def _try(self) -> bool:
        terms = self._terms
        lease = await self._leases.get("Lease", terms.namespace, terms.name)
        if lease is None:
            await self._leases.put_lease(self._body(None, held=True))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder != terms.identity and not self._expired(spec, holder):
            self._renewed = None
            return False
        await self._leases.put_lease(self._body(lease, held=True))
        return True

    def _expired(self, spec: Mapping[str, Any], holder: str) -> bool:
        """Whether another's lease has not changed for its whole duration, by our own clock."""
        record = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        now = self._monotonic()
        if record != self._record:
            self._record, self._record_since = record, now
        duration = float(spec.get("leaseDurationSeconds") or self._terms.duration)
        return not holder or now - self._record_since > duration

    async def release(self) -> None:
        """Give the Lease up, so that another replica leads at once. Never raises."""
        if self._renewed is None:
            return
        self._renewed = None
        try:
            async with asyncio.timeout(self._terms.deadline / 2):
                while not await self._give_up():
                    logger.info("a renewal came late", extra={"lease": self._terms.name})
        except (KubeError, TimeoutError) as exc:
            logger.warning("the lease could not be released; it expires by itself", extra={"error": str(exc)})

    async def _give_up(self) -> bool:
        """Empty the Lease if it is ours; return False when a renewal that was cancelled under way came in between."""
        lease = await self._leases.get("Lease", self._terms.namespace, self._terms.name)
        if lease is None or (lease.get("spec") or {}).get("holderIdentity") != self._terms.identity:
            return True
        try:
            await self._leases.put_lease(self._body(lease, held=False))
        except ConflictError:
            return False
        return True

    def _body(self, lease: Mapping[str, Any] | None, *, held: bool) -> dict[str, Any]:
        terms = self._terms
        metadata: dict[str, Any] = {"name": terms.name, "namespace": terms.namespace}
        before = (lease or {}).get("spec") or {}
        if lease is not None:
            metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
        stamp = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        taken_over = before.get("holderIdentity") != terms.identity
        transitions = int(before.get("leaseTransitions") or 0) + (1 if taken_over and lease is not None else 0)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": terms.identity if held else "",
                "leaseDurationSeconds": math.ceil(terms.duration) if held else 1,
                "acquireTime": stamp if taken_over else before.get("acquireTime", stamp),
                "renewTime": stamp,
                "leaseTransitions": transitions,
            },
        }
