"""Puts recorded samples in the place of those that a simulated cluster gives: the operator then judges what was live.

What is replayed is what the sources made of the answers. Nothing has to be made up for pods and routers that the simulated
cluster does not have, so every source is replayed in the same way and to the last request.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Rate
from modelrollout.engine.counters import by_arm, increments, remember
from modelrollout.engine.wants import AnalysisWants, MetricWants
from modelrollout.names import mirror_cluster
from modelrollout.simulation.recording import Change, Recorded
from modelrollout.sources._base import Scope

_MIRROR = mirror_cluster("")
Tell = Callable[[str, int, int], None]
"""Told cluster, requests and bad ones."""


class Track:
    """One metric, as it was.

    Args:
        changes: sorted by time.
    """

    def __init__(self, changes: Iterable[Change]) -> None:
        self._left = list(changes)[::-1]
        self._counters: dict[Key, float] = {}
        self._now = Change(0.0, "", state=State.NO_METRIC, message="The recording begins later.")

    def sample(self, seconds: float, at: datetime, scope: Scope) -> Sample:
        """Return what was found by then; asked again, only for a later time."""
        while self._left and self._left[-1].at <= seconds:
            change = self._left.pop()
            if change.key is None:
                self._now = change
            elif change.value is None:
                self._counters.pop(_meant(change.key, scope), None)
            else:
                if self._now.state is not State.VALUE or self._now.value is not None:
                    self._now = Change(change.at, change.metric)
                self._counters[_meant(change.key, scope)] = change.value
        now = self._now
        if now.state is not State.VALUE:
            return Sample(at, state=now.state, message=now.message)
        if now.value is not None:
            return Sample(at, gauge=now.value)
        return Sample(at, dict(self._counters), lone=now.message)


class Playback:
    """Samples of one rollout. Metrics that were not recorded are read as ever.

    Args:
        recording: as it was read.
        tell: told the requests of both versions, by the first recorded metric that counts those that fail for clients.

    Attributes:
        metrics: names of the metrics that were recorded.
    """

    def __init__(self, recording: tuple[Recorded, ...], tell: Tell) -> None:
        changes: dict[str, list[Change]] = {}
        for one in recording:
            if isinstance(one, Change):
                changes.setdefault(one.metric, []).append(one)
        self._tracks = {metric: Track(found) for metric, found in changes.items()}
        self._tell = tell
        self._told: str | None = None
        self._seen: Mapping[Key, float] = {}
        self._begin: datetime | None = None
        self.metrics = frozenset(changes)

    def put(self, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Sample:
        """Return the recorded sample in the place of one that was just taken."""
        track = self._tracks.get(metric.name)
        if track is None or wants.scope.stable is None:
            return sample
        self._begin = self._begin or sample.at
        found = track.sample((sample.at - self._begin) / timedelta(seconds=1), sample.at, wants.scope)
        if self._told is None and Rate in metric.source.forms(metric.source_config):
            self._told = metric.name if metric.source.errors(metric.source_config) else None
        if self._told == metric.name and found.state is State.VALUE:
            self._count(wants.scope, metric, found)
        return found

    def _count(self, scope: Scope, metric: MetricWants, sample: Sample) -> None:
        grown = by_arm(increments(self._seen, sample.counters))
        self._seen = remember(self._seen, sample.counters)
        for arm in (scope.arm, scope.stable or ""):
            measure = metric.measured(grown, arm)
            if measure is not None and isinstance(measure.tally, Rate):
                self._tell(arm, round(measure.tally.total), round(measure.tally.bad))


def _meant(key: Key, scope: Scope) -> Key:
    """Return a key whose arm is that of this rollout."""
    role = key.arm.removesuffix(_MIRROR)
    revisions = {"candidate": scope.revision, "stable": scope.stable or ""}
    return key._replace(arm=revisions.get(role, role) + key.arm[len(role) :])
