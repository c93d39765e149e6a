"""The stored reference: what requests and answers were like once, by metric and feature.

It is learnt from the first requests that the stable revision answers while it is watched, or given by a person. What a model
answers belongs to its revision, so that is learnt anew after a promotion; what it is asked does not, and stays. A reference
is never renewed by itself: whoever moves slowly with the world would never see it move. It grows stale instead, and says so.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from modelrollout.api.monitor import Reference
from modelrollout.api.watched import reference_of
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Features, Histogram, Shares
from modelrollout.engine.context import Context
from modelrollout.engine.counters import increments, remember, total
from modelrollout.names import reference
from modelrollout.resources.reference import REFERENCE
from modelrollout.schema import format_duration
from modelrollout.sources._base import Source

VERSION = 1
_UP_TO, _IS = "at=", "is="


@dataclass(frozen=True)
class Entry:
    """What one metric counted.

    Attributes:
        revision: that answered; empty: it is no matter which.
        at: when its last request was counted.
        features: the distributions.
    """

    revision: str
    at: datetime
    features: Features


@dataclass(frozen=True)
class Known:
    """What there is to hold metrics against.

    Attributes:
        entries: those that are about the right revision, however old.
        why: of metrics without a usable one, why.
        stale: metrics whose reference is too old.
        missing: metrics that have none yet, and whose is to be learnt.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


Named = tuple[str, Source[Any], Any]
"""Name, source and the source's config of a metric."""


def known(context: Context, revision: str | None, metrics: Iterable[Named]) -> Known:
    """Return what there is for the metrics that count features.

    Args:
        context: without a time nothing is stale.
        revision: that is stable.
        metrics: any.
    """
    asked = reference_of(context.spec)
    counting = [(name, source.of_inputs(config)) for name, source, config in metrics if counts_features(source, config)]
    if asked is None or not counting:
        return Known()
    stored, problem = _stored(context, asked)
    entries, why, stale, missing = {}, {}, set(), set()
    for name, of_inputs in counting:
        entry = stored.get(name)
        if entry is None:
            why[name] = problem or (
                f"ConfigMap {asked.config_map} says nothing of {name}" if asked.config_map else _NOT_YET
            )
        elif entry.revision not in ("", revision) and not of_inputs:
            why[name] = f"the reference is of {entry.revision}" if asked.config_map else _NOT_YET
        else:
            entries[name] = entry
            if context.now - entry.at > asked.max_age:
                stale.add(name)
                why[name] = f"the reference is {_days(context.now - entry.at)} old (maxAge {_days(asked.max_age)})"
            continue
        if asked.config_map is None:
            missing.add(name)
    return Known(entries, why, frozenset(stale), frozenset(missing))


_NOT_YET = "the reference is still being learnt"


def counts_features(source: Source[Any], config: Any) -> bool:  # noqa: ANN401  # the source's own type
    """Return whether a metric is one of distributions that a reference keeps."""
    return Features in source.forms(config)


def _stored(context: Context, asked: Reference) -> tuple[Mapping[str, Entry], str]:
    """Return what is stored, and why it cannot be read."""
    if asked.config_map is None:
        found = context.seen.child("ConfigMap", reference(context.seen.name)) or {}
        try:
            return parse((found.get("data") or {}).get(REFERENCE, "")), ""
        except ValueError:
            # Somebody has edited it. What cannot be read is learnt anew.
            return {}, ""
    what = f"ConfigMap {asked.config_map}"
    if context.seen.given is None:
        return {}, f"{what} does not exist or has no {REFERENCE}"
    try:
        return parse(context.seen.given), ""
    except ValueError as exc:
        return {}, f"{what}: {exc}"[:200]


def _days(span: timedelta) -> str:
    return f"{span // timedelta(days=1)} d" if span >= timedelta(days=2) else format_duration(span)


@dataclass(frozen=True)
class Learning:
    """What was counted so far.

    Attributes:
        seen: the counters to subtract from the next sample; None before the first.
        sums: how much each series grew, summed over pods.
    """

    seen: Mapping[Key, float] | None = None
    sums: Mapping[Key, float] = field(default_factory=dict)


def learn(before: Learning, sample: Sample, arm: str) -> Learning:
    """Count what one arm did until a sample; parts of the traffic have no reference of their own."""
    if sample.state is not State.VALUE:
        return before
    counters = {key: value for key, value in sample.counters.items() if key.arm == arm and not key.slice}
    if before.seen is None:
        return Learning(remember({}, counters))
    return Learning(remember(before.seen, counters), total(before.sums, increments(before.seen, counters)))


def dump(entries: Mapping[str, Entry]) -> str:
    """Return entries as text; bounds and counts are kept exactly."""
    metrics = {
        name: {
            "revision": entry.revision,
            "at": entry.at.isoformat(),
            "requests": _whole(entry.features.requests),
            "counts": {feature: _written(tally) for feature, tally in sorted(entry.features.counts.items())},
        }
        for name, entry in sorted(entries.items())
    }
    return json.dumps({"v": VERSION, "metrics": metrics}, separators=(",", ":"), ensure_ascii=False)


def _written(tally: Histogram | Shares) -> dict[str, float]:
    if isinstance(tally, Shares):
        return {f"{_IS}{name}": _whole(count) for name, count in sorted(tally.counts.items())}
    found, below = {}, 0.0
    for bound, at_most in tally.buckets:
        # A bin that nothing is in says where the next one begins.
        found[f"{_UP_TO}{bound!r}"] = _whole(at_most - below)
        below = at_most
    return found


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def parse(text: str) -> dict[str, Entry]:
    """Return the entries of a text; an empty one has none.

    Raises:
        ValueError: it is no reference, with the place and what belongs there.
    """
    if not text:
        return {}
    raw = json.loads(text)
    if not isinstance(raw, dict) or raw.get("v") != VERSION or not isinstance(raw.get("metrics"), dict):
        raise ValueError(f"it is no reference of version {VERSION}")
    return {name: _entry(name, one) for name, one in raw["metrics"].items()}


def _entry(name: str, raw: object) -> Entry:
    if not isinstance(raw, dict) or not isinstance(raw.get("counts"), dict):
        raise ValueError(f"{name} has no counts")  # noqa: TRY004  # whatever is wrong with a text is one thing to its reader
    at, revision = raw.get("at"), raw.get("revision", "")
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not isinstance(revision, str):
        raise ValueError(f"{name} has no time of its last request, such as 2026-01-31T12:00:00+00:00")
    counts = {feature: _tally(f"{name}, {feature}", one) for feature, one in raw["counts"].items()}
    return Entry(revision, moment, Features(counts, _count(f"{name}, requests", raw.get("requests"))))


def _tally(place: str, raw: object) -> Histogram | Shares:
    if not isinstance(raw, dict) or not raw:
        raise ValueError(f"{place} is empty")
    found = {key: _count(f"{place}, {key}", value) for key, value in raw.items()}
    if all(key.startswith(_IS) for key in found):
        return Shares({key.removeprefix(_IS): count for key, count in found.items()})
    if not all(key.startswith(_UP_TO) for key in found):
        raise ValueError(f"{place} mixes {_UP_TO} and {_IS}")
    bins = sorted((_bound(place, key.removeprefix(_UP_TO)), count) for key, count in found.items())
    return Histogram(_cumulated(bins))


def _cumulated(bins: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    buckets, so_far = [], 0.0
    for bound, count in bins:
        so_far += count
        buckets.append((bound, so_far))
    # The last bound holds all.
    return tuple(buckets if math.isinf(buckets[-1][0]) else [*buckets, (math.inf, so_far)])


def _bound(place: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise ValueError(f"{place}: {text} is no bound")
    return found


def _count(place: str, raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < math.inf:
        raise ValueError(f"{place} is no count")
    return float(raw)
