"""Histograms and bad requests by pod as samples of the source ``prometheus``: simulated routers cannot draw them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from modelrollout.domain.reading import Key
from modelrollout.domain.tally import Histogram, Measure, Rate
from modelrollout.simulation.recording import Change
from modelrollout.sources._tallies import bucket
from modelrollout.sources.prometheus import SCRAPED
from tests.verdicts.ours import METRIC, Ours, settings
from tests.verdicts.traffic import Tick
from tests.verdicts.whole.rollout import Plan, canary, document, written

SELECTOR = '{namespace="$namespace",pod=~"$pods"}'


def is_scraped(tick: Tick) -> bool:
    """Return whether a run is replayed like this."""
    return isinstance(tick.candidate.tally, Histogram) or bool(tick.candidate.pods)


def plan(ticks: Sequence[Tick], sensitivity: str, *, promotes: bool) -> Plan:
    """Return a canary that is judged as :func:`tests.verdicts.ours.settings` says."""
    config, last = settings(sensitivity), ticks[-1]
    metric = {"name": METRIC, **_source(last), "compare": written(config)}
    strategy, least = canary(last.weight, last.at, promotes=promotes)
    analysis = {"interval": f"{last.seconds:g}s", "minDuration": least, "metrics": [metric]}
    rule = Ours(config, promotes=promotes)
    return Plan(rule, document(strategy, analysis), tuple(_recording(ticks)), begins=_begins(last))


def _source(tick: Tick) -> dict[str, Any]:
    """Return the metric's source."""
    if isinstance(tick.candidate.tally, Histogram):
        return {"prometheus": {"histogram": f"seconds_bucket{SELECTOR}"}}
    bad, total = f"failed_total{SELECTOR}", f"requests_total{SELECTOR}"
    return {"prometheus": {"counters": {"bad": bad, "total": total, "errors": True}}}


def _begins(tick: Tick) -> float:
    """Return when the first request comes: nothing counts before the longest time between two scrapes is over."""
    return SCRAPED / timedelta(seconds=1) - tick.seconds


def _recording(ticks: Sequence[Tick]) -> Iterator[Change]:
    """Yield the counters of a run."""
    sums: dict[Key, float] = dict.fromkeys(
        (key for tick in ticks for arm, measure in _arms(tick) for key in _grown(arm, measure)), 0.0
    )
    if ticks[0].past is not None:
        sums |= _grown("stable", ticks[0].past)
    for key, value in sums.items():
        yield Change(0.0, METRIC, key, value)
    for tick in ticks:
        for arm, measure in _arms(tick):
            for key, count in _grown(arm, measure).items():
                if count:
                    sums[key] += count
                    yield Change(_begins(tick) + tick.at, METRIC, key, sums[key])


def _arms(tick: Tick) -> tuple[tuple[str, Measure], ...]:
    return ("candidate", tick.candidate), ("stable", tick.stable)


def _grown(arm: str, measure: Measure) -> Mapping[Key, float]:
    """Return by how much each counter of an arm grows, named as the source names them."""
    match measure.tally:
        case Histogram(buckets):
            bounds = (float("-inf"), *(bound for bound, _ in buckets))
            counts = [count for _, count in buckets]
            return {
                Key(arm, arm, f"{bucket(low, high)}/all"): count
                for (low, high), count in zip(pairwise(bounds), counts, strict=True)
            }
        case Rate():
            return {
                Key(arm, pod, f"{kind}/{pod}/all"): value
                for pod, rate in measure.pods.items()
                for kind, value in (("bad", rate.bad), ("total", rate.total))
            }
    raise TypeError(f"{measure.tally} is not scraped")
