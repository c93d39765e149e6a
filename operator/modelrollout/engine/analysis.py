"""From samples to a verdict: windows grow until they hold enough requests, readings say what they hold, gates judge them.

Missing data has a policy and is never a number. A reading without a value leaves its gate Undecided; what else happens is up
to ``onNoData`` (NoTraffic, NoMetric, NaN, Stale) and ``onError`` (Error):

``hold``
    Nothing: the stage waits, until its deadline.
``ignore``
    The gate blocks nothing and is shown as ignored. It is no pass either.
``rollback``
    The gate fails after three polls in a row without a value. A number that is merely too old because nobody polled
    (:func:`age`) never counts: that is this operator's trouble and not the candidate's.

A stage passes when every gate that is not ignored passes, and fails when one fails. Ignored gates alone are no pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Key, Reading, Sample, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.counters import increments, remember, total
from modelrollout.engine.slices import judge_windows, settle, shown
from modelrollout.engine.verdicts import LONGEST_TEXT, Assessed, Panel, combine
from modelrollout.engine.wants import AnalysisWants, MetricWants
from modelrollout.judges._base import Judge, Weigher
from modelrollout.schema import format_duration
from modelrollout.sources._base import Measured

PATIENCE = 3
"""Polls in a row: fewer may be a hiccup of the source."""
LEAST_AGE = timedelta(seconds=30)


@dataclass(frozen=True)
class Window:
    """What one metric has gathered since its last full window.

    Attributes:
        epoch: the question it belongs to; another one cuts it.
        at: time of the last good sample, None before the first.
        seen: the counters to subtract from the next sample.
        sums: how much each series grew, summed over pods; all arms and slices.
        seconds: length of the time that ``sums`` covers, by slice: each has windows of its own.
        requests: requests of the candidate in ``sums``.
        quiet_since: when the last of them was counted, or counting began.
        missing: samples in a row that brought no value.
    """

    epoch: str
    at: datetime | None = None
    seen: Mapping[Key, float] = field(default_factory=dict)
    sums: Mapping[Key, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    requests: int = 0
    quiet_since: datetime | None = None
    missing: int = 0


def fold(window: Window | None, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> tuple[Window, Reading]:
    """Add one sample to a metric's window.

    The window grows until it holds the judge's ``minRequests`` (at least one request); then the reading is closed and the
    next window starts with this sample. Samples from before ``wants.not_before``, and the first one of an epoch, only say
    where to count from.
    """
    if window is None or window.epoch != wants.epoch:
        window = Window(wants.epoch)
    reading = Reading.of(metric.name, wants.epoch, sample)
    if sample.state is not State.VALUE:
        return _miss(window, reading)
    if sample.at < wants.not_before:
        return _start(window, sample), reading._replace(closed=False, message="Warming up: numbers do not count yet.")
    if not metric.source.counts(metric.source_config):
        return replace(window, at=sample.at, missing=0), reading._replace(value=sample.gauge)
    if window.at is None or window.at < wants.not_before:
        return _start(window, sample), reading._replace(closed=False, message="Counting has just begun.")
    return _grow(window, wants, metric, sample, reading)


def _start(window: Window, sample: Sample) -> Window:
    """Count from this sample on; what was counted before stays."""
    seen = remember(window.seen, sample.counters)
    return replace(window, at=sample.at, seen=seen, quiet_since=sample.at, missing=0)


def _grow(
    window: Window, wants: AnalysisWants, metric: MetricWants, sample: Sample, reading: Reading
) -> tuple[Window, Reading]:
    assert window.at is not None
    assert window.quiet_since is not None
    sums = total(window.sums, increments(window.seen, sample.counters))
    elapsed = (sample.at - window.at) / timedelta(seconds=1)
    seconds = {
        part: window.seconds.get(part, 0.0) + elapsed for part in ("", *sorted({key.slice for key in sums} - {""}))
    }
    every = {part: _measured(wants, metric, sums, part, passed) for part, passed in seconds.items()}
    least = max(1, metric.least, metric.judge.min_requests(metric.judge_config))
    full = {part for part, one in every.items() if one.value is not None and one.requests >= least}
    measured, slices = every[""], [part for part in every if part]
    reading = reading._replace(
        slices=tuple(shown(part, every[part], full=part in full, at=sample.at) for part in slices)
    )
    begun = replace(
        _start(window, sample),
        sums={key: value for key, value in sums.items() if key.slice not in full},
        seconds={part: passed for part, passed in seconds.items() if part not in full},
    )
    if "" in full:
        return replace(begun, requests=0), reading._replace(value=measured.value, requests=measured.requests)
    quiet_since = sample.at if measured.requests > window.requests else window.quiet_since
    grown = replace(begun, requests=measured.requests, quiet_since=quiet_since)
    if sample.at - quiet_since >= patience(wants.interval):
        quiet = reading._replace(state=State.NO_TRAFFIC, requests=measured.requests, message="No requests arrive.")
        return _miss(replace(grown, missing=window.missing), quiet)
    message = "" if measured.requests else "No request yet."
    return grown, reading._replace(value=measured.value, requests=measured.requests, closed=False, message=message)


def _measured(
    wants: AnalysisWants, metric: MetricWants, sums: Mapping[Key, float], part: str, seconds: float
) -> Measured:
    candidate = {key.series: value for key, value in sums.items() if key.arm == wants.scope.arm and key.slice == part}
    return metric.source.measure(metric.source_config, candidate, seconds)


def _miss(window: Window, reading: Reading) -> tuple[Window, Reading]:
    """Count a sample without a value; the reading is closed once there were enough of them to act upon."""
    missing = window.missing + 1
    return replace(window, missing=missing), reading._replace(missing=missing, closed=missing >= PATIENCE)


def patience(interval: timedelta) -> timedelta:
    """Return for how long silence may be chance."""
    return max(PATIENCE * interval, LEAST_AGE)


def age(reading: Reading, now: datetime, interval: timedelta) -> Reading:
    """Return the reading, or that it is too old to be used: nobody has polled for three intervals and 30 s."""
    limit = patience(interval)
    if now - reading.at <= limit:
        return reading
    message = f"The last number is older than {format_duration(limit)}."
    return reading._replace(state=State.STALE, value=None, closed=False, missing=0, message=message)


def assess(  # noqa: PLR0913  # one metric list, its memory, and the four settings of an analysis
    metrics: Sequence[tuple[str, Judge[Any], Any]],
    readings: Mapping[str, Reading],
    gates: Mapping[str, Gate],
    *,
    now: datetime,
    interval: timedelta,
    on_no_data: str,
    on_error: str,
    alpha: float,
    beta: float,
    guarded: frozenset[str],
    panel: Panel,
) -> Assessed:
    """Fold the newest readings into the gates, and return them with what all of them together say.

    Args:
        metrics: name, judge and the judge's config of each metric.
        readings: newest reading of each metric, of the current epoch only.
        gates: what was known before, by metric.
        now: the time of this pass.
        interval: between two polls.
        on_no_data: hold, ignore or rollback.
        on_error: hold, ignore or rollback.
        alpha: chance of a false rollback by evidence.
        beta: chance of a false promotion by evidence.
        guarded: names of the metrics that can tell a catastrophe.
        panel: who shares α with them.
    """
    result = []
    configs = {name: (judge, config) for name, judge, config in metrics}

    def words(name: str, evidence: Evidence) -> str:
        judge, config = configs[name]
        return judge.blame_words(config, evidence, alpha) if isinstance(judge, Weigher) else ""

    for name, judge, config in metrics:
        waiting = Reading(name, "", now, State.VALUE, closed=False, message="No numbers yet.")
        reading = age(readings.get(name, waiting), now, interval)
        gate = judge_alone(judge, config, reading, gates.get(name), beta)
        match reading.state:
            case State.VALUE:
                result.append(gate)
            case State.MISMATCH:
                # No policy may pass over it: what was compared is not what was asked for.
                result.append(gate)
            case State.NO_TRAFFIC | State.NO_METRIC | State.NAN | State.STALE:
                result.append(_without_value(gate, reading, "onNoData", on_no_data))
            case State.ERROR:
                result.append(_without_value(gate, reading, "onError", on_error))
    guards = {name: readings[name].guard if name in readings else 0.0 for name in guarded}
    return combine(result, guards, alpha, words, panel)


def judge_alone(judge: Judge[Any], config: Any, reading: Reading, before: Gate | None, beta: float) -> Gate:  # noqa: ANN401  # the judge's own type
    """Return what one metric says by itself, its slices included."""
    if isinstance(judge, Weigher) and judge.weighs(config):
        gate = settle(judge.judge(config, reading, before, beta=beta), beta, judge.min_requests(config))
    else:
        gate = judge_windows(judge, config, reading, judge.judge(config, reading, before), before)
    return gate.model_copy(update={"note": reading.note}) if reading.note else gate


def _without_value(gate: Gate, reading: Reading, field_name: str, policy: str) -> Gate:
    if policy == "ignore":
        return gate.model_copy(update={"ignored": True})
    if policy == "rollback" and reading.missing >= PATIENCE:
        message = f"{reading.state} in {PATIENCE} polls in a row and {field_name} is rollback. {reading.message}"
        return gate.model_copy(update={"verdict": Verdict.FAIL, "message": message[:LONGEST_TEXT]})
    return gate


def conclude(gates: Sequence[Gate]) -> tuple[Verdict, str]:
    """Return the verdict on a stage and what it rests on, with metrics and numbers; without gates Undecided and no words."""
    failed = [gate for gate in gates if gate.verdict is Verdict.FAIL]
    if failed:
        return Verdict.FAIL, _join(f"{gate.name}: {gate.message}" for gate in failed)
    undecided = [gate for gate in gates if gate.verdict is not Verdict.PASS and not gate.ignored]
    if undecided:
        return Verdict.UNDECIDED, _join(f"{gate.name}: {gate.message}" for gate in undecided)
    passed = any(gate.verdict is Verdict.PASS for gate in gates)
    return Verdict.PASS if passed else Verdict.UNDECIDED, _join(map(_describe, gates))


def _describe(gate: Gate) -> str:
    if gate.value is None:
        return f"{gate.name}: ignored, {gate.state}"
    return f"{gate.name}: {gate.value:.6g} {gate.limit}".rstrip()


def _join(parts: Iterable[str]) -> str:
    text = "; ".join(parts)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
