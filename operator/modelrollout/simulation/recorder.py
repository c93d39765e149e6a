"""Records what the metrics of a rollout read: only what has changed since the poll before, so that a quiet hour is short."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.engine.wants import AnalysisWants, MetricWants
from modelrollout.names import mirror_cluster
from modelrollout.simulation.recording import Change
from modelrollout.sources._base import Scope

_MIRROR = mirror_cluster("")


class Recorder:
    """Told every sample of one rollout, see :class:`modelrollout.controller.polling.Poller`.

    Numbers alone are kept: the requests that some sources show as examples are not.

    Args:
        write: told each change.
        late: seconds by which its samples may come later than the operator's own: a replayed poll must not miss them.

    Attributes:
        begin: when the first sample was taken; None: none was yet.
    """

    def __init__(self, write: Callable[[Change], None], late: float = 0.0) -> None:
        self._write = write
        self._late = late
        self._last: dict[str, Sample] = {}
        self.begin: datetime | None = None

    def note(self, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Sample:
        """Record a sample of a rollout beside a stable revision, and return it; any other is no business of a recording."""
        if wants.scope.stable is None:
            return sample
        self.begin = self.begin or sample.at
        at = max((sample.at - self.begin) / timedelta(seconds=1) - self._late, 0.0)
        for change in _changes(at, metric.name, wants.scope, self._last.get(metric.name), sample):
            self._write(change)
        # What is no counter says nothing about counters: they stay as they were.
        kept = self._last[metric.name].counters if metric.name in self._last else {}
        counters = sample.counters if sample.state is State.VALUE and sample.gauge is None else kept
        self._last[metric.name] = Sample(
            sample.at, counters, sample.gauge, sample.state, sample.message, lone=sample.lone
        )
        return sample


def _changes(at: float, metric: str, scope: Scope, before: Sample | None, sample: Sample) -> Iterator[Change]:
    if sample.state is not State.VALUE:
        if before is None or (before.state, before.message) != (sample.state, sample.message):
            yield Change(at, metric, state=sample.state, message=sample.message)
        return
    if sample.gauge is not None:
        if before is None or (before.state, before.gauge) != (sample.state, sample.gauge):
            yield Change(at, metric, None, sample.gauge)
        return
    if before is None or before.state is not State.VALUE or (before.gauge, before.lone) != (None, sample.lone):
        yield Change(at, metric, message=sample.lone)
    was: Mapping[Key, float] = before.counters if before is not None else {}
    for key, value in sample.counters.items():
        if was.get(key) != value:
            yield Change(at, metric, _called(key, scope), value)
    for key in was.keys() - sample.counters.keys():
        yield Change(at, metric, _called(key, scope))


def _called(key: Key, scope: Scope) -> Key:
    """Return a key whose arm is named by what it is in the rollout."""
    revision = key.arm.removesuffix(_MIRROR)
    roles = {scope.revision: "candidate", scope.stable: "stable"}
    return key._replace(arm=roles.get(revision, revision) + key.arm[len(revision) :])
