"""Our side: the engine's own books, judges and verdicts, fed with the counters that both arms would show.

Nothing is decided here. Ticks are added up to counters, a sample of them goes to :mod:`modelrollout.engine.books`, and the
gates that :func:`modelrollout.engine.analysis.assess` makes of its readings are the decision.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Key, Reading, Sample
from modelrollout.domain.tally import Crossed, Features, Histogram, Mean, Measure, Rate, Scores, Shares, Tally
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.analysis import assess
from modelrollout.engine.books import Book, weigh
from modelrollout.engine.catastrophe import Guard, look, speaks
from modelrollout.engine.ramp import next_rung, rungs_above
from modelrollout.engine.verdicts import Panel
from modelrollout.engine.wants import Against, AnalysisWants, Comparison, MetricWants
from modelrollout.judges._base import Judge
from modelrollout.judges._compare import CompareConfig
from modelrollout.judges.compare import PLUGIN as COMPARE
from modelrollout.schema import ApiModel
from modelrollout.sources._base import Fetch, Measured, Scope, Source
from modelrollout.sources.outputs import PREDICTION
from modelrollout.strategies._ramp import Ramp, ramp_stages
from tests.verdicts.rivals import PROMOTE, ROLLBACK, Rule
from tests.verdicts.traffic import BOUNDS, Tick

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ALPHA = BETA = 0.05
METRIC = "metric"


def settings(sensitivity: str) -> CompareConfig:
    """Return the judge's configuration.

    ``margin`` accepts half a percentage point, without a ratio. ``strict`` is as shipped: the ratio of 1.25 is part of its
    margin, so it rolls back what is proven worse than both +0.1 pp and × 1.1.
    """
    margin = {"absolute": 0.005} if sensitivity == "margin" else {"absolute": 0.005, "ratio": 1.25}
    return CompareConfig.model_validate({"margin": margin, "sensitivity": sensitivity})


class Counted(ApiModel):
    """What the generated source needs to know: nothing."""


class Generated(Source[Any]):
    """Reads the series that :func:`counters` writes.

    Attributes:
        bounds: of histograms, rising, infinity last.
    """

    name = "generated"
    config = Counted

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds

    def fetch(self, config: Any, scope: Scope) -> Fetch:
        """Nobody fetches."""
        raise NotImplementedError

    def parse(self, config: Any, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Nobody parses."""
        raise NotImplementedError

    def measure(self, config: Any, increments: Mapping[str, float], seconds: float) -> Measured:
        """Nobody asks for a value."""
        raise NotImplementedError

    def fraction(self, config: Any) -> bool:
        """Rates are."""
        return True

    def quantile(self, config: Any) -> float | None:
        """Histograms are compared as a whole."""
        return None

    def errors(self, config: Any) -> bool:
        """Bad requests are errors that clients see."""
        return True

    def measure_arm(self, config: Any, increments: Mapping[str, float]) -> Measure | None:
        """Return what one arm's series say."""
        classes = {name[6:]: count for name, count in increments.items() if name.startswith("class=")}
        if classes:
            return Measure(Shares(classes))
        total = increments.get("total", 0.0)
        if not total:
            return None
        if "sum" in increments:
            return Measure(Mean(increments["sum"], total))
        if any(name.startswith("le=") for name in increments):
            # A bound whose counter did not grow is known, as the operator's own sources know it.
            return Measure(Histogram(tuple((bound, increments.get(f"le={bound}", 0.0)) for bound in self.bounds)))
        pods = {
            name[4:]: Rate(increments.get(f"bad/{name[4:]}", 0.0), count)
            for name, count in increments.items()
            if name.startswith("all/")
        }
        return Measure(Rate(increments.get("bad", 0.0), total), pods)


def counters(arm: str, measure: Measure, part: str = "") -> Iterator[tuple[Key, float]]:
    """Yield by how much each counter of an arm grows."""
    tally: Tally = measure.tally
    match tally:
        case Rate():
            yield Key(arm, arm, "bad", part), tally.bad
            yield Key(arm, arm, "total", part), tally.total
        case Histogram():
            yield Key(arm, arm, "total", part), tally.total
            for bound, count in tally.buckets:
                yield Key(arm, arm, f"le={bound}", part), count
        case Mean():
            yield Key(arm, arm, "sum", part), tally.sum
            yield Key(arm, arm, "total", part), tally.total
        case Shares():
            for name, count in tally.counts.items():
                yield Key(arm, arm, f"class={name}", part), count
        case Scores() | Crossed():
            yield from _paired(arm, tally, part)
        case Features():
            yield from _distributions(arm, tally, part)
    for pod, rate in measure.pods.items():
        yield Key(arm, arm, f"bad/{pod}", part), rate.bad
        yield Key(arm, arm, f"all/{pod}", part), rate.total


def _paired(arm: str, tally: Scores | Crossed, part: str) -> Iterator[tuple[Key, float]]:
    """Yield what the collector beside the router counts of pairs, as it names it."""
    yield Key(arm, arm, "pairs", part), tally.total
    if isinstance(tally, Crossed):
        for (d, c), count in tally.counts.items():
            yield Key(arm, arm, f"kappa/{d}/{c}", part), count
        return
    for kind, counts in (("score", tally.counts), ("beyond", tally.beyond)):
        for value, count in counts.items():
            yield Key(arm, arm, f"{kind}/{value:g}", part), count


def _distributions(arm: str, tally: Features, part: str) -> Iterator[tuple[Key, float]]:
    """Yield what the collector beside the router counts of requests or answers, as ``_observed.py`` names it."""
    yield Key(arm, arm, "requests", part), tally.requests
    for name, found in tally.counts.items():
        assert isinstance(found, Histogram)
        place = "out" if name == PREDICTION else f"in/{name}"
        yield Key(arm, arm, f"{place}/count", part), tally.requests
        below = 0.0
        for bound, count in found.buckets:
            yield Key(arm, arm, f"{place}/at={bound:g}", part), count - below
            below = count


class Ours(Rule):
    """A rollout with one metric.

    Attributes:
        metric: what is asked.
        evidence: of the metric, as of the last poll; None before the first block.
        slices: of its parts.
        blamed: the parts that a rollback names.
    """

    def __init__(
        self,
        config: ApiModel,
        *,
        promotes: bool = False,
        rolls_back: bool = True,
        warmup: float = 0.0,
        judge: Judge[Any] = COMPARE,
        source: tuple[Source[Any], ApiModel] | None = None,
    ) -> None:
        """Begin.

        Args:
            config: of the judge.
            promotes: an early promotion ends the run; otherwise the metric is watched to its end.
            rolls_back: a rollback ends it.
            warmup: seconds whose numbers are no evidence yet.
            judge: which.
            source: what reads the counters, and its config; absent: what compares two arms.
        """
        self.metric = MetricWants(METRIC, *(source or (Generated(), Counted())), judge, config)
        self._promotes, self._rolls_back = promotes, rolls_back
        self._from = BEGIN + timedelta(seconds=warmup)
        self._counters: dict[Key, float] = {}
        self._book: Book | None = None
        self._guard: Guard | None = None
        self._gates: dict[str, Gate] = {}
        self._weight = -1.0
        self._wants: AnalysisWants | None = None
        self._panel = Panel(metrics=1)
        self.evidence: Evidence | None = None
        self.slices: tuple[Evidence, ...] = ()
        self.blamed: frozenset[str] = frozenset()

    def poll(self, tick: Tick) -> str | None:
        """Add a tick to the counters and let the engine look at them."""
        grown = [*counters("candidate", tick.candidate), *counters("stable", tick.stable)]
        for part, (candidate, stable) in tick.slices.items():
            grown += [*counters("candidate", candidate, part), *counters("stable", stable, part)]
        if tick.weight != self._weight:
            for key, _ in grown:
                self._counters.setdefault(key, 0.0)
            if self._book is None and tick.past is not None:
                self._counters |= dict(counters("stable", tick.past))
            self._weight, self._wants = tick.weight, self._asked(tick)
            self._panel = Panel(metrics=1, parts=len(tick.slices))
            self._weigh(tick.at - tick.seconds)
        for key, count in grown:
            self._counters[key] = self._counters.get(key, 0.0) + count
        return self._decide(self._weigh(tick.at), tick.seconds)

    @property
    def passed(self) -> bool:
        """Whether the gates pass now."""
        return bool(self._gates) and all(gate.verdict is Verdict.PASS for gate in self._gates.values())

    @property
    def climbs(self) -> bool:
        """Whether the weight may go up: enough is seen, and the candidate is not proven worse than stable."""
        return self.passed or (
            self.evidence is not None and self.evidence.enough and self.evidence.worse < math.log(1 / ALPHA)
        )

    def hear(self, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> str | None:
        """Let the engine look at a sample that somebody else has taken, and decide."""
        return self._decide(self._fold(wants, metric, sample), wants.interval / timedelta(seconds=1))

    def _weigh(self, at: float) -> Reading:
        assert self._wants is not None
        return self._fold(self._wants, self.metric, Sample(BEGIN + timedelta(seconds=at), dict(self._counters)))

    def _fold(self, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Reading:
        self._book, reading = weigh(self._book, wants, metric, sample)
        self._guard = look(self._guard, wants, metric, sample)
        return reading._replace(guard=speaks(self._guard, wants))

    def _decide(self, reading: Reading, seconds: float) -> str | None:
        self.evidence, self.slices = reading.evidence, reading.slices
        gates, _ = assess(
            [(METRIC, self.metric.judge, self.metric.judge_config)],
            {METRIC: reading},
            self._gates,
            now=reading.at,
            interval=timedelta(seconds=seconds),
            on_no_data="hold",
            on_error="hold",
            alpha=ALPHA,
            beta=BETA,
            guarded=frozenset({METRIC}),
            panel=self._panel,
        )
        self._gates = {gate.name: gate for gate in gates}
        self.blamed = frozenset(one.slice for gate in gates for one in gate.slices if one.verdict == Verdict.FAIL)
        if self._rolls_back and any(gate.verdict is Verdict.FAIL for gate in gates):
            return ROLLBACK
        if self._promotes and self.passed:
            return PROMOTE
        return None

    def _asked(self, tick: Tick) -> AnalysisWants:
        scope = Scope("verdicts", "model", "candidate", "candidate", "stable", ())
        comparison = Comparison("1", f"{tick.weight:g}/0/True", Against.STABLE, None, ALPHA, BETA, "")
        interval = timedelta(seconds=tick.seconds)
        return AnalysisWants("1", interval, self._from - interval, scope, comparison, None, (self.metric,))  # type: ignore[arg-type]


class Climb:
    """The ramp of a canary, up to 50 %: its rungs and the engine's choice among them.

    As in the engine a rung is left when enough is seen and the next one can be afforded, and what follows the last rung is
    100 %, for which the gates must pass.
    """

    def __init__(self, budget: float) -> None:
        self._stages = tuple(ramp_stages(Ramp(budget=budget)))
        self._index = 0

    def weight(self, rule: Ours, rps: float | None) -> float | None:
        """Return the share of the traffic that the candidate gets next; None: all of it."""
        if rule.passed and not rungs_above(self._stages, self._index):
            return None
        upper = rule.evidence.high if rule.evidence is not None else None
        if rule.climbs:
            self._index = next_rung(self._stages, self._index, upper, rps) or self._index
        return self._stages[self._index].weight / 100
