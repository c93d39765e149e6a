"""One pass over one ModelDeployment: observe, decide, act, and say what changed.

Nothing is remembered here that a restart may not lose: the status and the snapshots are the memory.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from modelrollout.adapters.act import Refusal, carry_out, persist
from modelrollout.adapters.children import Child
from modelrollout.adapters.observe import Observer
from modelrollout.adapters.protocols import Kube
from modelrollout.controller.calm import Calm
from modelrollout.controller.polling import Poller
from modelrollout.controller.probing import Prober
from modelrollout.controller.queue import Key
from modelrollout.controller.telemetry import Telemetry
from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.plan import Apply, Plan
from modelrollout.engine.decide import decide
from modelrollout.engine.wants import wants
from modelrollout.errors import KubeError, RefusedError

logger = logging.getLogger(__name__)

ASK_AGAIN = timedelta(seconds=30)
"""A refused write is tried again so often, dry, until it would be accepted (a quota was raised, a policy changed)."""


@dataclass(frozen=True)
class _Refused:
    write: Apply
    words: str
    generation: int
    ask_at: datetime


class Reconciler:
    """Runs passes.

    Args:
        kube: the API server.
        observer: reads the world.
        poller: knows the slow readings and takes over what a pass wants polled.
        prober: sends golden examples and knows what was answered.
        limits: operator settings.
        clock: the current time, with its zone.
        telemetry: counts writes and outcomes.
    """

    def __init__(  # noqa: PLR0913  # the ports of one object, each injected
        self,
        *,
        kube: Kube,
        observer: Observer,
        poller: Poller,
        prober: Prober,
        limits: Limits,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        self._kube = kube
        self._observer = observer
        self._poller = poller
        self._prober = prober
        self._limits = limits
        self._clock = clock
        self._telemetry = telemetry
        self._refused: dict[Key, dict[Child, _Refused]] = {}
        self._calm = Calm()

    async def reconcile(self, key: Key) -> datetime | None:
        """Bring one ModelDeployment one step further; return when to look again although nothing happens.

        Raises:
            RolloutError: the pass failed and must be repeated; everything it did is safe to repeat.
        """
        await self._ask_refused_again(key)
        refused = self._refused.get(key, {})
        polled = replace(self._poller.polled(key), probes=self._prober.probed(key))
        seen = await self._observer.observe(key, polled, {child: refusal.words for child, refusal in refused.items()})
        if seen is None:
            self._forget(key)
            return None
        if any(refusal.generation != seen.generation for refusal in refused.values()):
            # Another spec is another question: what was refused may not even be wanted any more.
            del self._refused[key]
            seen = replace(seen, rejected={})
        now = self._clock()
        plan = decide(seen, self._limits, now)
        plan, changed = self._without_refused(key, plan)
        later = self._calm.until(key, seen.status, plan.status, now)
        if later is None:
            await persist(self._kube, plan, seen, self._count)
        # From here on the intent is a fact: what is told and polled follows from it even if a write fails.
        wanted = wants(replace(seen, status=plan.status))
        self._poller.want(key, wanted, plan.status)
        self._prober.want(key, wanted.golden)
        self._telemetry.saw(key, plan.status)
        _tell(seen, plan)
        refusal = await carry_out(self._kube, plan, seen, self._count)
        if refusal is not None:
            return self._remember(key, refusal, seen.generation, now)
        if changed:
            return now
        return _earliest(plan.due, later, *(item.ask_at for item in self._refused.get(key, {}).values()))

    def _count(self, kind: str) -> None:
        self._telemetry.writes.labels(kind).inc()

    def _forget(self, key: Key) -> None:
        self._refused.pop(key, None)
        self._calm.forget(key)
        self._poller.forget(key)
        self._prober.forget(key)
        self._observer.forget(key)
        self._telemetry.forget(key)

    def _remember(self, key: Key, refusal: Refusal, generation: int, now: datetime) -> datetime:
        """Keep a refusal for the next pass, which is due at once: the status must say it."""
        child = refusal.write.key
        self._refused.setdefault(key, {})[child] = _Refused(refusal.write, refusal.words, generation, now + ASK_AGAIN)
        return now

    def _without_refused(self, key: Key, plan: Plan) -> tuple[Plan, bool]:
        """Leave out writes that are known to be refused, so that they keep none of the others from being done.

        A refusal of what is no longer wanted, or is wanted in another form, is dropped; the second value tells that this
        happened, and that the status must be told again.
        """
        refused = self._refused.get(key, {})
        wanted = {write.key: write.body for write in plan.writes if isinstance(write, Apply)}
        kept = {child: refusal for child, refusal in refused.items() if wanted.get(child) == refusal.write.body}
        if len(kept) < len(refused):
            self._refused[key] = kept
        writes = tuple(write for write in plan.writes if not (isinstance(write, Apply) and write.key in kept))
        return replace(plan, writes=writes), len(kept) < len(refused)

    async def _ask_refused_again(self, key: Key) -> None:
        """Drop refusals that would no longer happen; asked dry, so that the status does not flap between two tries."""
        now = self._clock()
        for child, refusal in tuple(self._refused.get(key, {}).items()):
            if refusal.ask_at > now:
                continue
            try:
                await self._kube.dry_run(refusal.write.body)
            except RefusedError as exc:
                self._refused[key][child] = replace(refusal, words=str(exc), ask_at=now + ASK_AGAIN)
            except KubeError:
                # A webhook that is down, perhaps. It must not stand in the way of an abort.
                self._refused[key][child] = replace(refusal, ask_at=now + ASK_AGAIN)
            else:
                del self._refused[key][child]


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _tell(seen: Observation, plan: Plan) -> None:
    """Write one line per transition. The steady state is silent."""
    rollout = plan.status.rollout
    bound: Mapping[str, object] = {
        "namespace": seen.namespace,
        "modeldeployment": seen.name,
        "generation": seen.generation,
        "revision": rollout.revision if rollout else plan.status.stable,
        "attempt": rollout.attempt if rollout else None,
        "stage": rollout.stage_label if rollout else None,
        "weight": plan.status.weight,
    }
    for event in plan.events:
        logger.log(
            logging.WARNING if event.warning else logging.INFO, event.message, extra={**bound, "reason": event.reason}
        )
