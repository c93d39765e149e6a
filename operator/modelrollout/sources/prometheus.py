"""Numbers from a Prometheus that the operator's configuration names: one gauge, or raw counters of both versions.

A gauge is taken as it is. Counters are asked for as they stand, in one query per metric so that all are of one moment, and
are subtracted here, per pod and series; they can be compared with what stable counted in the same time.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Histogram, Mean, Measure, Rate, Shares
from modelrollout.errors import SourceError
from modelrollout.schema import ApiModel, Rule, format_duration
from modelrollout.sources import _forms, _tallies
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source
from modelrollout.sources._forms import CountersConfig, Form, MeanConfig, SharesConfig, Text
from modelrollout.sources._histogram import DEFAULT_QUANTILE, quantile
from modelrollout.sources._presets import PRESETS, known_preset
from modelrollout.sources._selectors import SCRAPES, dated, fill, selector_problems, unite, variable_problems
from modelrollout.sources._series import Pods, Series, counters, number, vector

SCRAPED = timedelta(seconds=30)
"""Longest time between two scrapes that is provided for."""
UNSCRAPED = timedelta(seconds=90)
"""A pod that was not scraped for so long is not scraped: a minute is the interval that Prometheus has by default."""
OLDEST = timedelta(minutes=5)
"""An answer as old is of a cache that somebody put before Prometheus."""
Preset = Annotated[str, AfterValidator(known_preset), Field(max_length=63)]
_FORMS = ("query", "counters", "histogram", "mean", "shares", "preset")


class PrometheusConfig(ApiModel):
    """Numbers from Prometheus. Its address and credentials are settings of the operator.

    Exactly one of `query` (one gauge), `counters`, `histogram`, `mean`, `shares` and `preset` says what to ask for. All but
    `query` select raw counters, in which $namespace, $name and $pods (a regular expression that matches the pods of both
    versions, for `=~`) are filled in; write $$ for a dollar sign. Many series may be found; the label pod says whose each
    is. They are subtracted per pod, so rate(), increase() and sum() have no place in them.
    """

    query: Text | None = None
    """PromQL that gives one number. $namespace, $name, $revision and $pods (a regular expression that matches the
    candidate's pods, for `=~`) are filled in; write $$ for a dollar sign."""
    counters: CountersConfig | None = None
    """Bad requests among all, as a fraction of 1."""
    histogram: Text | None = None
    """Selects the buckets of a histogram to which each request adds one value: series that end with _bucket and have the
    label le."""
    mean: MeanConfig | None = None
    """The mean of values, from their sum and number."""
    shares: SharesConfig | None = None
    """Shares of classes. They can be compared with stable's; no limit can be set for them."""
    preset: Annotated[Preset | None, Field(json_schema_extra={"enum": sorted(PRESETS)})] = None
    """What a model server counts, as server/signal. Times are in seconds, errorRate is a fraction of 1."""
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Which quantile of a histogram a threshold is held against, between 0 and 1.
    0.99 is the 99th percentile, and what is taken when it is absent."""

    rules = (
        Rule(
            lambda config: sum(getattr(config, name) is not None for name in _FORMS) == 1,
            f"[{', '.join(f'has(self.{name})' for name in _FORMS)}].filter(given, given).size() == 1",
            f"must say in exactly one way what to ask for. Write one of {', '.join(_FORMS)}.",
        ),
        Rule(
            lambda config: config.quantile is None or config.histogram is not None or config.preset is not None,
            "!has(self.quantile) || has(self.histogram) || has(self.preset)",
            "stands beside numbers that have no quantiles. Leave it out, or use histogram or preset.",
            "quantile",
        ),
    )

    def form(self) -> Form | None:
        """Return which counters are selected and what they amount to; None for a gauge."""
        match self:
            case PrometheusConfig(preset=str(name)):
                return PRESETS[name]
            case PrometheusConfig(counters=CountersConfig() as pair):
                return _forms.rate(pair.bad, pair.total, errors=pair.errors)
            case PrometheusConfig(histogram=str(series)):
                return _forms.histogram(series)
            case PrometheusConfig(mean=MeanConfig() as parts):
                return _forms.mean(parts.sum, parts.count)
            case PrometheusConfig(shares=SharesConfig() as classes):
                return _forms.shares(classes.query, classes.label)
            case _:
                return None


class PrometheusSource(Source[PrometheusConfig]):
    """Runs one instant query per poll. What its numbers mean is the query's business."""

    name = "prometheus"
    config = PrometheusConfig

    def problems(self, config: PrometheusConfig) -> tuple[Problem, ...]:
        """Return what makes a query unusable."""
        return tuple(_problems(config))

    def counts(self, config: PrometheusConfig) -> bool:
        """All but `query` ask for counters."""
        return config.form() is not None

    def fraction(self, config: PrometheusConfig) -> bool:
        """Bad requests among all are a share."""
        form = config.form()
        return form is not None and form.tally is Rate

    def forms(self, config: PrometheusConfig) -> frozenset[type]:
        """A gauge cannot be compared, and nothing of which many values come from one request."""
        form = config.form()
        return frozenset({form.tally} if form and not form.clumped else ())

    def errors(self, config: PrometheusConfig) -> bool:
        """The author of counters says it; presets know."""
        form = config.form()
        return form is not None and form.errors

    def quantile(self, config: PrometheusConfig) -> float | None:
        """Histograms are shown by one."""
        return (config.quantile or DEFAULT_QUANTILE) if Histogram in self.forms(config) else None

    def lag(self, config: PrometheusConfig) -> timedelta:  # noqa: ARG002  # all series are scraped
        """Counters are as old as their last scrape, and not every answer says how old."""
        return SCRAPED

    def tells_pods(self, config: PrometheusConfig) -> bool:  # noqa: ARG002  # whatever is asked
        """Each series names the pod that it was scraped from."""
        return True

    def fetch(self, config: PrometheusConfig, scope: Scope) -> Fetch:
        """Return the query with its variables filled in; a gauge is the candidate's alone."""
        form = config.form()
        if form is None:
            return Fetch(Origin.PROMETHEUS, fill(config.query or "", scope, scope.pods))
        pods = (*scope.pods, *scope.stable_pods)
        query = unite({name: fill(selector, scope, pods) for name, selector in form.selectors.items()})
        return Fetch(Origin.PROMETHEUS, dated(query, scope, pods))

    def parse(self, config: PrometheusConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Read the answer to an instant query: one number, or the counters of both versions."""
        form = config.form()
        answer = answers.get("")
        return _gauge(answer, at) if form is None else _counted(form, scope, answer, at)

    def measure(self, config: PrometheusConfig, increments: Mapping[str, float], seconds: float) -> Measured:  # noqa: ARG002  # none of the forms is per second
        """Turn a window into the number that a limit is held against."""
        measure = self.measure_arm(config, increments)
        match measure.tally if measure else None:
            case Rate(bad, total):
                return Measured(bad / total, round(total))
            case Histogram(buckets) as found:
                return Measured(quantile(dict(buckets), config.quantile or DEFAULT_QUANTILE), round(found.total))
            case Mean(total, count):
                return Measured(total / count, round(count))
            case Shares() as classes:
                return Measured(None, round(classes.total))
            case _:
                return Measured(None, 0)

    def measure_arm(self, config: PrometheusConfig, increments: Mapping[str, float]) -> Measure | None:
        """Turn what one arm did into a tally; of bad requests also what each pod did."""
        form = config.form()
        if form is None:
            return None
        if form.tally is Rate:
            return _tallies.rate(increments)
        if form.tally is Mean:
            return _tallies.mean(increments, form.scale)
        if form.tally is Histogram:
            return _tallies.histogram(increments)
        return _tallies.shares(increments)


def _problems(config: PrometheusConfig) -> Iterator[Problem]:
    if config.query is not None:
        yield from variable_problems("prometheus.query", config.query)
    if config.counters is not None:
        yield from selector_problems("prometheus.counters.bad", config.counters.bad)
        yield from selector_problems("prometheus.counters.total", config.counters.total)
    if config.histogram is not None:
        yield from selector_problems("prometheus.histogram", config.histogram)
    if config.mean is not None:
        yield from selector_problems("prometheus.mean.sum", config.mean.sum)
        yield from selector_problems("prometheus.mean.count", config.mean.count)
    if config.shares is not None:
        yield from selector_problems("prometheus.shares.query", config.shares.query)
    form = config.form()
    if config.quantile is not None and form is not None and form.tally is not Histogram:
        yield Problem("prometheus.quantile", f"{config.preset} is no histogram", "Leave the quantile out.")


def _is_old(seconds: float, at: datetime) -> bool:
    return at - datetime.fromtimestamp(seconds, UTC) > OLDEST


def _gauge(answer: object, at: datetime) -> Sample:
    found = number(answer)
    if found is None:
        return Sample(at, state=State.NO_METRIC, message="The query finds no series.")
    seconds, text = found
    if _is_old(seconds, at):
        return Sample(at, state=State.STALE, message="Prometheus answers with a number older than 5m.")
    value = float(text)
    if math.isnan(value):
        return Sample(at, state=State.NAN, message="The query gives NaN: it divides 0 by 0.")
    if math.isinf(value):
        return Sample(at, state=State.ERROR, message=f"The query gives {text}: it divides by 0.")
    return Sample(at, gauge=value)


def _counted(form: Form, scope: Scope, answer: object, at: datetime) -> Sample:
    answered = vector(answer)
    found = tuple(series for series in answered if series.kind != SCRAPES)
    if not found:
        return Sample(at, state=State.NO_METRIC, message="The query finds no series.")
    if _is_old(found[0].at, at):
        return Sample(at, state=State.STALE, message="Prometheus answers with numbers older than 5m.")
    pods = Pods(scope)
    ours = tuple(counters(found, pods))
    if any(math.isnan(series.value) for _, series in ours):
        return Sample(at, state=State.NAN, message="A counter is NaN, so nothing can be subtracted from it.")
    if what := _missing(form, (series for pod, series in ours if pods.arms[pod] == scope.arm)):
        message = (
            f"{what} no series whose label pod names a pod of the candidate: it had no request yet, or is not scraped."
        )
        return Sample(at, state=State.NO_METRIC, message=message)
    ages = _ages(answered, ours)
    if old := sorted(pod for pod, age in ages.items() if age > UNSCRAPED):
        message = (
            f"Prometheus has not scraped {old[0]} for more than {format_duration(UNSCRAPED)}, or could not. "
            "Look at its page of targets."
        )
        return Sample(at, state=State.STALE, message=message)
    lone = ""
    theirs = (series for pod, series in ours if pods.arms[pod] == scope.stable)
    if scope.stable is not None and (what := _missing(form, theirs)):
        lone = (
            f"{what} series of the candidate but none whose label pod names a pod of stable, to compare it with: stable had "
            "no request yet, or is not scraped. A PodMonitor must select the pods of both."
        )
    kept: dict[Key, float] = {}
    for pod, name, value in _named(form, ours):
        key = Key(pods.arms[pod], pod, name)
        if key in kept:
            raise _twice()
        kept[key] = value
    return Sample(at, kept, as_of=at - max(ages.values()) if ages else None, lone=lone)


def _missing(form: Form, ours: Iterable[Series]) -> str:
    """Return the beginning of a sentence about what finds nothing of one version; empty when everything is there."""
    # Bad requests may have no series yet; everything else is there from the first request on.
    missing = sorted(form.selectors.keys() - {series.kind for series in ours} - {"bad"})
    if not missing:
        return ""
    return f"{missing[0]} finds" if missing[0] else "The query finds"


def _ages(answered: Iterable[Series], ours: Iterable[tuple[str, Series]]) -> Mapping[str, timedelta]:
    """Return how long ago each pod was scraped that Prometheus tells it of, by Prometheus' own clock."""
    scrapes = {series.target: series for series in answered if series.kind == SCRAPES and math.isfinite(series.value)}
    told = ((pod, scrapes[series.target]) for pod, series in ours if series.target in scrapes)
    return {pod: timedelta(seconds=scraped.at - scraped.value) for pod, scraped in told}


def _named(form: Form, ours: Iterable[tuple[str, Series]]) -> Iterator[tuple[str, str, float]]:
    """Yield pod, name and value of each counter, see ``_tallies.py``."""
    if form.tally is Histogram:
        yield from _buckets(ours, form.scale)
        return
    for pod, series in ours:
        if form.tally is Rate:
            yield pod, f"{series.kind}/{pod}/{series.digest()}", series.value
        elif form.tally is Mean:
            yield pod, f"{series.kind}/{series.digest()}", series.value
        else:
            yield pod, f"class/{series.digest(form.label)}/{series.labels.get(form.label, '')}", series.value


def _buckets(ours: Iterable[tuple[str, Series]], scale: float) -> Iterator[tuple[str, str, float]]:
    """Yield the buckets of each histogram, each named with the bound below its own."""
    found: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    for pod, series in ours:
        bounds = found[pod, series.digest("le")]
        bound = _bound(series, scale)
        if bound in bounds:
            raise _twice()
        bounds[bound] = series.value
    for (pod, digest), bounds in found.items():
        if math.inf not in bounds:
            raise SourceError('Asking Prometheus: a histogram has no bucket le="+Inf". Select all of its buckets.')
        for low, high in pairwise((-math.inf, *sorted(bounds))):
            yield pod, f"{_tallies.bucket(low, high)}/{digest}", bounds[high]


def _twice() -> SourceError:
    return SourceError(
        "Asking Prometheus: it has the same counters of a pod twice, from several replicas of Prometheus. "
        "Name one of them in the selector."
    )


def _bound(series: Series, scale: float) -> float:
    try:
        # Nine digits tell all bounds from each other, and leave out what a multiplication adds.
        return float(f"{float(series.labels['le']) * scale:.9g}")
    except (KeyError, ValueError) as exc:
        raise SourceError(
            "Asking Prometheus: the histogram has series without a bound in the label le. Select its _bucket series."
        ) from exc


PLUGIN = PrometheusSource()
