"""What collectors count, told by their pages: requests by part of the traffic, and pairs of answers to the same request."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from modelrollout.engine.wants import MetricWants
from modelrollout.errors import SourceError
from modelrollout.judges.compare import PLUGIN as COMPARE
from modelrollout.simulation.arrivals import Arrivals
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.recording import Entry, Replay
from modelrollout.sources.outputs import PLUGIN as OUTPUTS
from modelrollout.sources.outputs import OutputsConfig, OutputSignal
from tests.verdicts.ours import Ours, counters, settings
from tests.verdicts.tables.predictions import TWICE
from tests.verdicts.traffic import Tick
from tests.verdicts.whole.rollout import Plan, canary, document, shadow, written
from tests.verdicts.whole.routers import entries

SLICE = "part"
MODEL = {"name": "model", "version": "1", "protocol": "openInference"}
"""The protocol says where a prediction is."""
Row = tuple[str, str, str, float]
"""What stands first in a row of a page, part of the traffic, series, and by how much it grows."""
Grown = Callable[[Tick], Iterator[Row]]


class Pages:
    """Answers for the collectors of a simulated cluster: one of them has seen everything, and the others nothing.

    Args:
        table: of the page that holds the rows.
        ticks: what there is to count.
        grown: by how much each row grows in a tick; ``stable`` and ``candidate`` stand for the revisions.
        cluster: where the collectors are.
    """

    def __init__(self, table: str, ticks: Sequence[Tick], grown: Grown, cluster: Cluster) -> None:
        self._table, self._grown, self._cluster = table, grown, cluster
        self._left = list(reversed(ticks))
        # Each row is there from the beginning, at 0, as in a real page.
        self._rows: dict[tuple[str, str, str], float] = dict.fromkeys(
            (row[:3] for tick in ticks for row in grown(tick)), 0.0
        )
        self._sees = ""

    async def predictions(self, address: str, port: int) -> str:
        """GET what a collector has counted."""
        del port
        facts = next(iter(self._cluster.facts().values()))
        capture = facts.pairs.capture
        if capture is None:
            raise SourceError("Asking the collector in a router's pod: it answered 503. Check its log.")
        self._count()
        self._sees = self._sees or address
        names = {"stable": capture.stable or "", "candidate": capture.candidate or ""}
        rows = [
            [names.get(first, first), part, series, value if address == self._sees else 0.0]
            for (first, part, series), value in self._rows.items()
        ]
        empty: Mapping[str, Any] = {"counters": [], "observed": [], "examples": {}}
        return json.dumps({"v": 1, **names, **empty, self._table: rows})

    def _count(self) -> None:
        assert self._cluster.traffic.chance is not None
        arrivals: Arrivals = self._cluster.traffic.chance.arrivals
        assert isinstance(arrivals, Replay)
        if arrivals.begin is None:
            return
        now = (self._cluster.agenda.now - arrivals.begin) / timedelta(seconds=1)
        while self._left and self._left[-1].at <= now:
            for *row, count in self._grown(self._left.pop()):
                first, part, series = row
                self._rows[first, part, series] += count


def _answered(table: str, ticks: Sequence[Tick], grown: Grown) -> Callable[[Cluster], None]:
    def prepare(cluster: Cluster) -> None:
        cluster.http.predictions = Pages(table, ticks, grown, cluster).predictions  # type: ignore[method-assign]  # others answer

    return prepare


def slices(ticks: Sequence[Tick], sensitivity: str) -> Plan:
    """Return a canary whose bad answers are empty ones: of these the collectors know the part of the traffic."""
    config, asked, last = settings(sensitivity), OutputsConfig(signal=OutputSignal.EMPTY), ticks[-1]
    strategy, least = canary(last.weight, last.at, promotes=False)
    analysis = {
        "interval": f"{last.seconds:g}s",
        "minDuration": least,
        "inputs": {"percent": 100},
        "slices": _divided(ticks),
        "metrics": [{"name": "empty", OUTPUTS.name: written(asked), COMPARE.name: written(config)}],
    }
    prepare = _answered("observed", ticks, _outputs)
    return Plan(Ours(config), document(strategy, analysis, model=MODEL), tuple(entries(ticks)), prepare)


def _outputs(tick: Tick) -> Iterator[Row]:
    for part, (candidate, stable) in {"": (tick.candidate, tick.stable), **tick.slices}.items():
        for arm, measure in (("candidate", candidate), ("stable", stable)):
            for key, count in counters(arm, measure):
                for series in {"bad": ("out/empty",), "total": ("out/count", "requests")}[key.series]:
                    yield arm, _named(part), series, count


def pairs(metric: MetricWants, ticks: Sequence[Tick]) -> Plan:
    """Return a shadow that ends as soon as both versions are seen to agree, or not to."""
    last = ticks[-1]
    margin = getattr(metric.judge_config, "margin", None) is not None
    analysis: dict[str, Any] = {
        "interval": f"{last.seconds:g}s",
        "minDuration": "0s",
        "predictions": {"baseline": {"percent": round(TWICE * 100)}} if margin else {},
        "slices": _divided(ticks),
        "metrics": [
            {
                "name": "same",
                metric.source.name: written(metric.source_config),
                metric.judge.name: written(metric.judge_config),
            }
        ],
    }
    rule = Ours(metric.judge_config, promotes=True, judge=metric.judge, source=(metric.source, metric.source_config))
    prepare = _answered("counters", ticks, partial(_pairs, metric.source_config.extraction().key))
    recording = tuple(Entry(tick.at, "candidate", int(tick.candidate.tally.total), 0) for tick in ticks)
    strategy = shadow(last.at, promotes=True)
    return Plan(rule, document(strategy, analysis, model=MODEL), recording, prepare)


def _pairs(extraction: str, tick: Tick) -> Iterator[Row]:
    for part, (measure, _) in {"": (tick.candidate, tick.stable), **tick.slices}.items():
        for key, count in counters("candidate", measure):
            yield extraction, _named(part), key.series, count


def _named(part: str) -> str:
    return f"{SLICE}={part}" if part else ""


def _divided(ticks: Sequence[Tick]) -> list[dict[str, Any]]:
    names = sorted(ticks[0].slices)
    return [{"name": SLICE, "header": "x-part", "values": names}] if names else []
