"""Plain limits, as users know them: at most, at least, so many times in a row; or one limit with a stated error rate."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Crossed, Histogram, Paired, Rate, Scores
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.evidence.forecast import requests_needed_for_limit
from modelrollout.judges import _limit, _words
from modelrollout.judges._base import DEFAULT_BETA, Judge, Question, Weigher
from modelrollout.judges._case import Damping
from modelrollout.judges._gate import conclude
from modelrollout.judges._limit import LimitLedger
from modelrollout.judges._limit_watch import LIMIT_WATCH, LimitWatchConfig
from modelrollout.schema import ApiModel, Rule

_LEAST_REQUESTS = 50
"""Requests that a pass by evidence needs when nobody says so, as for ``compare``."""

_SHARES = frozenset({Rate, Paired})
"""Tallies of which a share is bad; of answers to the same requests it is the candidate's."""


class ThresholdConfig(ApiModel):
    """Limits in the unit of the metric; at least one of max and min."""

    max: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The value must not be above this."""
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The value must not be below this."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Requests that a window needs before it is judged; it grows until then. Absent: one request.
    Not for gauges and rates per second."""
    failures: Annotated[int, Field(ge=1, le=100)] = 1
    """Windows in a row that must be outside the limits before the metric fails."""
    evidence: Literal["sequential"] | None = None
    """sequential: instead of windows, evidence is gathered over the whole rollout until it proves that the value is above
    max (rollback; false with a chance of at most `analysis.alpha`) or below it (pass; false with a chance of at most
    `analysis.beta`), however often it is looked at. A value at the limit stays undecided. For shares of requests, and for
    quantiles of histograms; with max alone, and without failures. minRequests is then what a pass needs; absent: 50."""

    rules = (
        Rule(
            lambda limits: limits.max is not None or limits.min is not None,
            "has(self.max) || has(self.min)",
            "has no limit. Set max, min or both.",
        ),
        Rule(
            lambda limits: limits.max is None or limits.min is None or limits.min <= limits.max,
            "!has(self.max) || !has(self.min) || self.min <= self.max",
            "is above max, so no value can pass. Swap min and max.",
            "min",
        ),
        Rule(
            lambda limits: limits.evidence is None or (limits.max is not None and limits.min is None),
            "!has(self.evidence) || (has(self.max) && !has(self.min))",
            "is gathered about max alone. Set max and leave min out.",
            "evidence",
        ),
        Rule(
            lambda limits: limits.evidence is None or limits.failures == 1,
            "!has(self.evidence) || !has(self.failures) || self.failures == 1",
            "stands beside evidence, which knows no windows. Leave it out.",
            "failures",
        ),
    )

    @property
    def sequential(self) -> bool:
        """Whether evidence is gathered instead of windows."""
        return self.evidence is not None


class ThresholdJudge(Weigher[ThresholdConfig, LimitLedger]):
    """Passes when the last full window is within the limits and the one that grows now does not speak against it.

    With sequential evidence it passes when the value is proven to be below the limit.
    """

    name = "threshold"
    config = ThresholdConfig

    def problems(
        self,
        config: ThresholdConfig,
        *,
        counts: bool,
        fraction: bool = False,
        forms: frozenset[type] = frozenset(),
    ) -> tuple[Problem, ...]:
        """Return why this judge cannot judge such readings."""
        found = []
        if config.sequential and forms & {Scores, Crossed}:
            reason = "evidence about a limit is gathered of what must not be above it, and predictions should agree"
            found.append(Problem("threshold.evidence", reason, "Use agreement with min, or leave it out."))
        elif config.sequential and not forms & self.forms(config):
            reason = (
                "this metric is no share of requests and no histogram, so there is nothing to gather evidence about"
            )
            found.append(Problem("threshold.evidence", reason, "Leave it out."))
        elif config.sequential and forms & _SHARES and config.max in (0, 1):
            reason = f"no number of requests can prove that a share is below {config.max:g}, or above it"
            found.append(Problem("threshold.max", reason, "Write a number between 0 and 1."))
        if config.min_requests is not None and not counts:
            reason = "this metric is one number and rests on no number of requests"
            found.append(Problem("threshold.minRequests", reason, "Leave it out."))
        for field, limit in (("max", config.max), ("min", config.min)):
            if fraction and limit is not None and not 0 <= limit <= 1:
                remedy = (
                    f"Write {limit / 100:g} for {limit:g} %." if 1 < limit <= 100 else "Write a number from 0 to 1."
                )
                found.append(Problem(f"threshold.{field}", f"{limit:g} is no fraction of 1", remedy))
        return tuple(found)

    def min_requests(self, config: ThresholdConfig) -> int:
        """Return how many requests a window, or a pass by evidence, needs."""
        return config.min_requests or (_LEAST_REQUESTS if config.sequential else 0)

    def watcher(self, config: ThresholdConfig) -> tuple[Judge[Any], Any]:
        """Windows go on as they are; evidence gives way to a change detector."""
        if not config.sequential:
            return self, config
        return LIMIT_WATCH, LimitWatchConfig(max=_most(config))

    def weighs(self, config: ThresholdConfig) -> bool:
        """Return whether it gathers evidence."""
        return config.sequential

    def forms(self, config: ThresholdConfig) -> frozenset[type]:  # noqa: ARG002  # the same for all limits
        """Return what tallies evidence can be gathered from."""
        return frozenset({*_SHARES, Histogram})

    def begin(self, config: ThresholdConfig, question: Question) -> LimitLedger:
        """Return the ledger before the first block."""
        return _limit.begin(_most(config), question)

    def weigh(
        self, config: ThresholdConfig, ledger: LimitLedger, block: Block, noise: float, cap: float
    ) -> LimitLedger:
        """Fold one block in. A limit needs no stable beside the candidate."""
        return _limit.weigh(_most(config), ledger, block, Damping(max(float(noise), 1.0), float(cap)))

    def temper(self, config: ThresholdConfig, ledger: LimitLedger, power: float) -> LimitLedger:  # noqa: ARG002  # as weighers are asked
        """Return the ledger with its evidence raised to a power below 1."""
        return _limit.temper(ledger, power)

    def evidence(self, config: ThresholdConfig, ledger: LimitLedger) -> Evidence:
        """Return what has been gathered."""
        return _limit.evidence(_most(config), ledger, self.min_requests(config))

    def dump(self, ledger: LimitLedger) -> list[Any]:
        """Return a ledger as JSON values."""
        return _limit.dump(ledger)

    def load(self, config: ThresholdConfig, question: Question, raw: object) -> LimitLedger:
        """Return the ledger that was dumped."""
        return _limit.load(_most(config), question, raw)

    def needed(self, config: ThresholdConfig, form: type, rate: float, share: float, beta: float) -> int | None:  # noqa: ARG002  # stable is not looked at
        """Return how many requests a pass of a share will take."""
        if form not in _SHARES:
            return None
        found = requests_needed_for_limit(rate, _most(config), beta)
        return max(math.ceil(found), self.min_requests(config)) if math.isfinite(found) else None

    def blame_words(self, config: ThresholdConfig, evidence: Evidence, alpha: float) -> str:
        """Return what speaks against the candidate."""
        limit, value = _most(config), evidence.candidate
        by = f" by {_words.plain(value - limit)}" if value is not None and value > limit else ""
        told = f"{_words.plain(value)} " if value is not None else ""
        chance = f"chance of this if it were within the limit: {_words.chance(evidence.against)}"
        suspected = "" if evidence.against >= math.log(1 / alpha) else "suspected to be "
        return f"{suspected}above the limit of {limit:g}{by}: {told}({chance})"

    def judge(
        self, config: ThresholdConfig, reading: Reading, gate: Gate | None, *, beta: float = DEFAULT_BETA
    ) -> Gate:
        """Fold a reading into the gate.

        With sequential evidence only that counts. Otherwise:

        While the next window grows, a pass stands as long as the provisional value is within the limits; once it is
        not, only another full window passes again. So gates with windows of different lengths can pass together.
        The last full window is held against the limits as they are now, and counts once.
        """
        if config.sequential:
            return _weighed(config, reading, gate, beta)
        conclusive = reading.closed and reading.state is State.VALUE
        result = Gate(
            name=reading.metric,
            verdict=Verdict.UNDECIDED,
            state=reading.state,
            limit=_limit_words(config),
            failures=gate.failures if gate else 0,
            at=gate.at if gate else None,
            requests=reading.requests,
        )
        value = reading.value
        if reading.state is not State.VALUE or value is None or not math.isfinite(value):
            return _with(result, message=reading.message[:512] or "There is no number.")
        result = _with(result, value=value)
        trouble = _outside(config, value)
        if not conclusive:
            before = gate.verdict if gate else Verdict.UNDECIDED
            if before is Verdict.FAIL or (before is Verdict.PASS and not trouble):
                return _with(result, verdict=before, message=gate.message if gate else "")
            progress = f"{reading.requests or 0} of {max(self.min_requests(config), 1)} requests"
            return _with(result, message=f"{progress}; {trouble} so far" if trouble else progress)
        if not trouble:
            return _with(result, verdict=Verdict.PASS, failures=0, at=reading.at)
        counted = gate is not None and gate.at == reading.at and gate.failures > 0
        failures = min(result.failures if counted else result.failures + 1, config.failures)
        streak = f", {failures} of {config.failures} windows in a row" if config.failures > 1 else ""
        basis = f" ({reading.requests} requests)" if reading.requests is not None else ""
        verdict = Verdict.FAIL if failures >= config.failures else Verdict.UNDECIDED
        return _with(result, verdict=verdict, failures=failures, at=reading.at, message=f"{trouble}{basis}{streak}")


def _weighed(config: ThresholdConfig, reading: Reading, gate: Gate | None, beta: float) -> Gate:
    value = reading.evidence.candidate if reading.evidence is not None else None
    return conclude(
        reading,
        gate,
        beta=beta,
        least=PLUGIN.min_requests(config),
        limit=_limit_words(config),
        values=_words.plain(value) if value is not None else "",
        basis=f"limit {config.max:g}",
        bound="limit",
    )


def _most(config: ThresholdConfig) -> float:
    assert config.max is not None
    return config.max


def _with(gate: Gate, **changes: Any) -> Gate:  # noqa: ANN401  # field values of Gate
    return gate.model_copy(update=changes)


def _outside(config: ThresholdConfig, value: float) -> str:
    """Return which limit a value breaks, empty when it is within them."""
    if config.max is not None and value > config.max:
        return f"{value:.6g} is above {config.max:g}"
    if config.min is not None and value < config.min:
        return f"{value:.6g} is below {config.min:g}"
    return ""


def _limit_words(config: ThresholdConfig) -> str:
    match config.min, config.max:
        case None, None:
            return ""
        case None, most:
            return f"≤ {most:g}"
        case least, None:
            return f"≥ {least:g}"
        case least, most:
            return f"{least:g} … {most:g}"


PLUGIN = ThresholdJudge()
