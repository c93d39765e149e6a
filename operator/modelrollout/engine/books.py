"""From samples to evidence: blocks in which both versions were measured over the same minutes, folded by the metric's judge.

A block is closed as soon as both sides have enough requests. That looks at how many requests there were and never at how they
ended, so it is free. A block is cut when the split changes, and what straddles the change is dropped: pooling over two
splits is Simpson's paradox, and rolls back healthy candidates while the baseline moves. Where both versions answered the same
requests, the candidate's side holds the pairs and needs no other.

Evidence is divided by what was known of the noise when a block was opened: a block that tempers itself would not be fair. What
it then says of the noise may only take evidence away, of it and of all before it.

A book is one metric's evidence in one attempt. It outlives stages; it begins anew only with another attempt or when the
metric itself was edited, because evidence against another margin is evidence of something else.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Key, Reading, Sample, State
from modelrollout.domain.tally import Block, Histogram, Measure, Tally
from modelrollout.engine.analysis import patience
from modelrollout.engine.counters import ByArm, by_arm, complete, increments, remember
from modelrollout.engine.noises import Noises, Pods, listen, overhear, recall
from modelrollout.engine.ramp import can_be_afforded
from modelrollout.engine.wants import Against, AnalysisWants, MetricWants
from modelrollout.judges._base import Question, Weigher
from modelrollout.schema import ApiModel

ENOUGH = (2.0, 10.0)
"""Requests of candidate and stable that close a block."""
ONE = (1.0, 1.0)
"""Requests of both that are worth closing a block that is cut."""
CALM = 1.5
"""φ up to which requests differ no more than chance explains; beyond it no block decides alone, and where the noise lasts,
blocks last a minute."""
MISSED = 5.0
"""Requests that did not come: one time in 150 chance alone does it."""
LONG_BLOCK = 60.0
"""Seconds."""
DETAILED = timedelta(minutes=1)
"""Details are made anew as rarely, unless something else has moved."""
LATELY = 600.0
"""Seconds after which a request counts for a third in how many there are: traffic by night says little of the day."""
HORIZON = 360
"""Blocks that evidence is planned for, an hour of polls at 10 s: later failures are looked for within it."""

Both = tuple[Measure | None, Measure | None]
"""What candidate and stable did."""
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Book(NamedTuple):
    """What one metric has gathered in one attempt. Every poll makes several, so it is a tuple: those are made fastest.

    Attributes:
        settings: fingerprint of what the evidence is about.
        split: the split that the open block belongs to.
        alone: the candidate answers everything in it: its blocks need nobody else.
        at: time of the last good sample of this split, None before the first.
        seen: the counters to subtract from the next sample.
        open: how much each series grew since the last block, summed over pods.
        seconds: length of the open block; of each slice the same.
        opened: what was known of the noise when it was opened, likewise.
        ledgers: the judge's memory, by slice; empty string: all requests.
        gathered: what each of them says.
        details: what the report shows besides, of all requests.
        detailed_at: when that was made.
        before: what stable did before the first sample, by slice, as far as its counters remember.
        noise: how much stable's own pods differ.
        tempered: the largest φ so far, by which all evidence was divided.
        counted: requests counted of candidate and stable since the split began, those of the last minutes more than those
            of long ago.
        span: seconds that they stand for.
        since: when it began.
        quiet_since: when the candidate's last request was counted, or counting began.
        missing: samples in a row that brought no value.
    """

    settings: str
    split: str = ""
    alone: bool = False
    at: datetime | None = None
    seen: Mapping[Key, float] = _NOTHING
    open: ByArm = _NOTHING
    seconds: Mapping[str, float] = _NOTHING
    opened: Mapping[str, Noises] = _NOTHING
    ledgers: Mapping[str, Any] = _NOTHING
    gathered: Mapping[str, Evidence] = _NOTHING
    details: Mapping[str, Any] = _NOTHING
    detailed_at: datetime | None = None
    before: Mapping[str, Tally] = _NOTHING
    noise: Noises = Noises()
    tempered: float = 1.0
    counted: tuple[float, float] = (0.0, 0.0)
    span: float = 0.0
    since: datetime | None = None
    quiet_since: datetime | None = None
    missing: int = 0


def weigh(book: Book | None, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> tuple[Book, Reading]:
    """Add one sample to a metric's evidence.

    Samples from before ``wants.not_before``, and the first one of a split, only say where to count from.
    """
    if book is None or book.settings != fingerprint(wants, metric):
        book = Book(fingerprint(wants, metric))
    if book.split != wants.comparison.split:
        book = _cut(book, wants, metric)
    if sample.lone and wants.comparison.against is Against.STABLE and _has_two_sides(metric):
        sample = Sample(sample.at, state=State.NO_METRIC, message=sample.lone)
    reading = Reading.of(metric.name, wants.epoch, sample)
    if sample.state is not State.VALUE:
        missing = book.missing + 1
        book = book._replace(missing=missing)
        return book, _speak(book, wants, metric, reading._replace(missing=missing))
    if sample.at < wants.not_before:
        if book.at is not None:
            # A new pod warms up: what was measured before it came is as good as it was.
            book = _close(book, wants, metric, sorted(book.seconds), ONE)
        book = _count_from(_overhear(book, wants, metric, sample), sample)._replace(at=None)
        return book, _speak(
            book, wants, metric, reading._replace(closed=False, message="Warming up: numbers do not count yet.")
        )
    moving = wants.comparison.against is Against.NOTHING
    fresh = book.since is not None and _is_later(sample, book.since, metric.source.lag(metric.source_config))
    if book.at is None or moving or not fresh:
        since = sample.at if book.at is None or moving or book.since is None else book.since
        book = _count_from(_overhear(book, wants, metric, sample), sample)._replace(since=since, quiet_since=sample.at)
        words = "The split changes." if moving else "Counting has just begun."
        return book, _speak(book, wants, metric, reading._replace(closed=False, message=words))
    book = _gather(book, wants, metric, sample)
    return book, _speak(book, wants, metric, reading)


def _has_two_sides(metric: MetricWants) -> bool:
    """Return whether a block holds the candidate's requests against others of stable."""
    return metric.judge.compares(metric.judge_config) and not metric.source.paired(metric.source_config)


def _is_later(sample: Sample, since: datetime, lag: timedelta) -> bool:
    """Return whether all that a sample holds is of a time after this one."""
    return sample.at - since >= lag and (sample.as_of is None or sample.as_of >= since)


def fingerprint(wants: AnalysisWants, metric: MetricWants) -> str:
    """Return what a metric's evidence is about: attempt, source, judge and error rates, and whether it decides.

    Whoever has a metric decide because of what it was seen to say begins anew: evidence that is chosen by what it says is none.
    """
    asked = wants.comparison
    return _fingerprint(
        asked.attempt,
        asked.alpha,
        asked.beta,
        metric.source.name,
        metric.source_config,
        metric.judge.name,
        metric.judge_config,
        *([wants.references[metric.name].mark] if metric.name in wants.references else []),
        *(() if metric.decides else (metric.mode,)),
    )


@lru_cache(maxsize=1024)
def _fingerprint(*parts: Any) -> str:  # noqa: ANN401  # JSON, and configs
    # Asked at every poll of every metric.
    parts = tuple(part.model_dump(mode="json") if isinstance(part, ApiModel) else part for part in parts)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _overhear(book: Book, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Book:
    """Return the book with what a sample that is no evidence still tells of the noise."""
    arm = wants.scope.stable or wants.scope.arm
    if book.seen:
        grown = by_arm(increments(book.seen, sample.counters))
        return book._replace(noise=overhear(book.noise, metric.measured(grown, arm)))
    # Counters hold the past: pods that have misbehaved alone since they started will do so again, and the rate was about this.
    held = by_arm(sample.counters)
    past = {part: measure for (one, part) in held if one == arm and (measure := metric.measured(held, arm, part))}
    before = {part: measure.tally for part, measure in past.items()}
    return book._replace(before=before, noise=recall(book.noise, past.get(""), _by_pod(metric, sample.counters, arm)))


def _by_pod(metric: MetricWants, counters: Mapping[Key, float], arm: str) -> Pods:
    """Return the values of each of a version's pods, where they are a histogram and its source tells pods apart."""
    source, config = metric.source, metric.source_config
    if Histogram not in source.forms(config) or not source.tells_pods(config):
        return {}
    series: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in counters.items():
        if key.arm == arm and not key.slice:
            series[key.pod][key.series] = value
    found = {pod: source.measure_arm(config, grown) for pod, grown in sorted(series.items())}
    return {pod: one.tally for pod, one in found.items() if one is not None and isinstance(one.tally, Histogram)}


def _count_from(book: Book, sample: Sample) -> Book:
    return book._replace(
        at=sample.at,
        seen=remember(book.seen, sample.counters),
        open={},
        seconds={},
        opened={},
        counted=(0.0, 0.0),
        span=0.0,
        missing=0,
    )


def _cut(book: Book, wants: AnalysisWants, metric: MetricWants) -> Book:
    """Close what the old split has gathered, and begin with the new one at its first sample."""
    return _close(book, wants, metric, sorted(book.seconds), ONE)._replace(
        split=wants.comparison.split,
        alone=wants.comparison.against is Against.PAST,
        at=None,
        open={},
        seconds={},
        opened={},
        counted=(0.0, 0.0),
        span=0.0,
        since=None,
    )


def _gather(book: Book, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Book:
    assert book.at is not None
    grown = increments(book.seen, sample.counters)
    elapsed = (sample.at - book.at) / timedelta(seconds=1)
    gathered = by_arm(grown, book.open)
    parts = {part for _, part in gathered} | {""}
    growth = _measures(wants, metric, by_arm(grown) if book.open else gathered, "")
    # Most polls close a block, and what they brought is all that is in it.
    measured = {} if book.open else {"": growth}
    came = [_requests(measure) if measure is not None else 0.0 for measure in growth]
    known, kept = book.noise, math.exp(-elapsed / LATELY)
    book = _tempered(book, metric)._replace(
        at=sample.at,
        seen=remember(book.seen, sample.counters),
        open=gathered,
        seconds={part: book.seconds.get(part, 0.0) + elapsed for part in parts},
        opened={part: book.opened.get(part, known) for part in parts},
        noise=_listen(known, wants, growth, elapsed, _by_pod(metric, grown, wants.scope.stable or wants.scope.arm)),
        counted=(book.counted[0] * kept + came[0], book.counted[1] * kept + came[1]),
        span=book.span * kept + elapsed,
        quiet_since=sample.at if came[0] else book.quiet_since,
        missing=0,
    )
    ripe = [part for part in sorted(parts) if book.opened[part].lasting <= CALM or book.seconds[part] >= LONG_BLOCK]
    return _close(book, wants, metric, ripe, ENOUGH, measured)


def _listen(noise: Noises, wants: AnalysisWants, growth: Both, seconds: float, pods: Pods) -> Noises:
    """Return the noise after some more seconds; where nobody stands beside it a version is as noisy as its own pods."""
    candidate, stable = growth
    return (
        listen(noise, None, candidate, seconds, pods)
        if wants.scope.stable is None
        else listen(noise, candidate, stable, seconds, pods)
    )


def _close(  # noqa: PLR0913, PLR0917  # what of which book, and what is known of it
    book: Book,
    wants: AnalysisWants,
    metric: MetricWants,
    parts: Iterable[str],
    enough: tuple[float, float],
    measured: Mapping[str, Both] = _NOTHING,
) -> Book:
    """Fold the open blocks of these slices into their ledgers, of each in which both sides have enough requests.

    Args:
        book: which holds them.
        wants: who is compared.
        metric: what is measured.
        parts: the slices.
        enough: requests of candidate and stable.
        measured: open blocks that need not be measured again.
    """
    judge, config = weigher(metric), metric.judge_config
    alone = book.alone or metric.source.paired(metric.source_config)
    least = (1.0, 0.0) if book.alone else (enough[0], enough[1] if _has_two_sides(metric) else 0.0)
    grown, folded = book.open, {}
    blocks = {part: measured.get(part) or _measures(wants, metric, grown, part) for part in parts}
    due = [part for part, block in blocks.items() if _full(block, least)]
    if due and Histogram in metric.source.forms(metric.source_config):
        # All bounds that there are must be tested from the first block on: choosing those at which it has values is no test.
        grown = complete(grown, book.seen)
        blocks = {part: _measures(wants, metric, grown, part) for part in due}
    for part in due:
        candidate, stable = blocks[part]
        assert candidate is not None
        block = Block(
            candidate.tally,
            None if alone or stable is None else stable.tally,
            book.seconds.get(part, 0.0),
            _reference(book, wants, metric, part),
            book.alone,
        )
        ledger = book.ledgers.get(part)
        if ledger is None:
            ledger = judge.begin(config, question(wants, metric, candidate, book.before.get(part)))
        phi = book.opened[part].phi
        cap = math.log(1 / wants.comparison.alpha) / 4 if phi > CALM else math.inf
        folded[part] = judge.weigh(config, ledger, block, phi, cap)
    closed = _tempered(
        book._replace(
            ledgers={**book.ledgers, **folded},
            gathered={**book.gathered, **{part: judge.evidence(config, ledger) for part, ledger in folded.items()}},
            open={place: series for place, series in book.open.items() if place[1] not in folded},
            seconds={**book.seconds, **dict.fromkeys(folded, 0.0)},
            opened={part: noise for part, noise in book.opened.items() if part not in folded},
        ),
        metric,
    )
    return _detailed(book, closed, metric) if "" in folded else closed


def _full(block: Both, least: tuple[float, float]) -> bool:
    """Return whether candidate and stable have enough requests; of 0 nobody need be there."""
    return all(
        not enough or (measure is not None and _requests(measure) >= enough)
        for measure, enough in zip(block, least, strict=True)
    )


def _tempered(book: Book, metric: MetricWants) -> Book:
    """Return the book once more is known of the noise: what was gathered before counts as if it had been known."""
    phi = book.noise.phi
    if phi <= book.tempered:
        return book
    judge, config, power = weigher(metric), metric.judge_config, book.tempered / phi
    ledgers = {part: judge.temper(config, ledger, power) for part, ledger in book.ledgers.items()}
    gathered = {part: judge.evidence(config, ledger) for part, ledger in ledgers.items()}
    return book._replace(ledgers=ledgers, gathered=gathered, tempered=phi)


def _detailed(before: Book, book: Book, metric: MetricWants) -> Book:
    """Return the book with new details: they take as long as the evidence does, and only the last ones reach a report."""
    was, now = before.gathered.get(""), book.gathered[""]
    fresh = book.at is not None and book.detailed_at is not None and book.at - book.detailed_at < DETAILED
    if fresh and was is not None and was.moved == now.moved:
        return book
    return book._replace(details=weigher(metric).details(metric.judge_config, book.ledgers[""]), detailed_at=book.at)


def _reference(book: Book, wants: AnalysisWants, metric: MetricWants, part: str) -> Tally | None:
    """Return what was normal once; of parts nobody has kept it, and what is stale is none any more."""
    found = wants.references.get(metric.name)
    if found is None or part or book.at is None or book.at > found.until:
        return None
    return found.tally


def weigher(metric: MetricWants) -> Weigher[Any, Any]:
    """Return the metric's judge, which weighs evidence."""
    assert isinstance(metric.judge, Weigher)
    return metric.judge


def question(wants: AnalysisWants, metric: MetricWants, measure: Measure, before: Tally | None = None) -> Question:
    """Return what a judge must know to begin a ledger."""
    return Question(
        alpha=wants.comparison.alpha,
        beta=wants.comparison.beta,
        horizon=HORIZON,
        form=type(measure.tally),
        quantile=metric.source.quantile(metric.source_config),
        fraction=metric.source.fraction(metric.source_config),
        inputs=metric.source.of_inputs(metric.source_config),
        before=before,
    )


def _measures(wants: AnalysisWants, metric: MetricWants, grown: ByArm, part: str) -> Both:
    """Return what candidate and stable did."""
    candidate, stable = (metric.measured(grown, arm, part) for arm in (wants.scope.arm, wants.scope.stable))
    return candidate, stable


def _requests(measure: Measure) -> float:
    return measure.tally.total


def _speak(book: Book, wants: AnalysisWants, metric: MetricWants, reading: Reading) -> Reading:
    """Return what the book says now; evidence stays what it is while there is nothing to add to it."""
    noise, found = {"noise": round(book.noise.phi, 2)}, dict(sorted(book.gathered.items()))
    whole = found.pop("", None)
    if whole is not None:
        rates = _rates(book)
        if metric.source.paired(metric.source_config):
            rates.pop("stable_per_second", None)
        whole = whole.model_copy(update=noise | rates)
    reading = reading._replace(
        details={**reading.details, **book.details} if book.details else reading.details,
        evidence=whole,
        slices=tuple(item.model_copy(update={**noise, "slice": part}) for part, item in found.items()),
        value=whole.candidate if whole is not None and reading.state is State.VALUE else None,
        requests=whole.requests if whole is not None else 0,
        closed=reading.closed and whole is not None,
    )
    if reading.state is not State.VALUE or not reading.closed:
        return reading
    judge = weigher(metric)
    if objections := [words for one in book.ledgers.values() if (words := judge.objection(metric.judge_config, one))]:
        return reading._replace(state=State.ERROR, value=None, message=objections[0])
    if _silent(book, wants, reading.at):
        return reading._replace(state=State.NO_TRAFFIC, value=None, message="No requests arrive.")
    return reading


def _silent(book: Book, wants: AnalysisWants, now: datetime) -> bool:
    """Return whether the candidate gets nothing: for longer than chance leaves it without, as stable's requests say."""
    if book.quiet_since is None or now - book.quiet_since < patience(wants.interval):
        return False
    weight, others = wants.comparison.weight, book.counted[1]
    if weight is None or not others:
        return True
    expected = others / book.span * weight / (100 - weight) * ((now - book.quiet_since) / timedelta(seconds=1))
    return expected >= MISSED


def _rates(book: Book) -> dict[str, float | None]:
    """Return the requests per second of both sides lately."""
    if not any(book.counted):
        return {}
    return {
        "per_second": round(book.counted[0] / book.span, 4),
        "stable_per_second": round(book.counted[1] / book.span, 4),
    }


def restless(before: Reading | None, after: Reading, wants: AnalysisWants) -> bool:
    """Return whether a pass must hear of a reading at once, because a decision may depend on it.

    A weighted average reaches 1/α only when one of its members does, so it is enough to look at each.
    """
    alpha, beta = math.log(1 / wants.comparison.alpha), math.log(1 / wants.comparison.beta)

    def heard(reading: Reading | None) -> tuple[object, ...]:
        every = _every(reading) if reading else []
        return (
            reading.state if reading else None,
            any(item.against >= alpha / 2 for item in every),
            [item.within >= beta for item in every],
            any(item.worse >= alpha for item in every),
            [(item.high, item.enough, item.alarm, item.moved) for item in every],
            can_be_afforded(reading.evidence if reading else None, wants.afforded),
        )

    return heard(before) != heard(after) or any(item.against >= alpha for item in _every(after))


def _every(reading: Reading) -> list[Evidence]:
    return [item for item in (reading.evidence, *reading.slices) if item is not None]


def dump(books: Mapping[str, Book], wants: AnalysisWants) -> str:
    """Return the text that keeps the evidence of all metrics over a restart; counters and open blocks are not kept."""
    kept = {
        metric.name: {
            "settings": book.settings,
            "noise": book.noise.dump(),
            "ledgers": {part: weigher(metric).dump(ledger) for part, ledger in sorted(book.ledgers.items())},
        }
        for metric in (*wants.metrics, *wants.resting)
        if (book := books.get(metric.name)) is not None and book.ledgers
    }
    if not kept:
        return ""
    return json.dumps({"attempt": wants.comparison.attempt, "metrics": kept}, separators=(",", ":"), sort_keys=True)


def load(text: str, wants: AnalysisWants) -> dict[str, Book]:
    """Return the books that a text keeps; none of what is not about these metrics as they are now, or cannot be read.

    What is lost begins anew, as another try. Evidence of something else would be worse.
    """
    try:
        raw = json.loads(text) if text else {}
        if raw.get("attempt") != wants.comparison.attempt:
            return {}
        return dict(_loaded(raw["metrics"], wants))
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def about(text: str, attempt: str) -> bool:
    """Return whether a text keeps the evidence of an attempt."""
    try:
        return bool(text) and json.loads(text).get("attempt") == attempt
    except (ValueError, AttributeError):
        return False


def _loaded(raw: Mapping[str, Any], wants: AnalysisWants) -> Iterable[tuple[str, Book]]:
    for metric in (*wants.metrics, *wants.resting):
        kept = raw.get(metric.name)
        if kept is None or kept["settings"] != fingerprint(wants, metric):
            continue
        asked = Question.unknown(wants.comparison.alpha, wants.comparison.beta, HORIZON)
        judge, config = weigher(metric), metric.judge_config
        ledgers = {part: judge.load(config, asked, ledger) for part, ledger in kept["ledgers"].items()}
        gathered = {part: judge.evidence(config, ledger) for part, ledger in ledgers.items()}
        details = judge.details(config, ledgers[""]) if "" in ledgers else {}
        noise = Noises.load(kept["noise"])
        yield (
            metric.name,
            Book(
                kept["settings"],
                ledgers=ledgers,
                gathered=gathered,
                details=details,
                noise=noise,
                tempered=noise.phi,
            ),
        )
