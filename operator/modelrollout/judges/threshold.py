"""Plain limits, as users know them: at most, at least, so many times in a row."""

import math
from typing import Annotated, Any

from pydantic import Field

from modelrollout.domain.problem import Problem
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges._base import Judge
from modelrollout.schema import ApiModel, Rule


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
    )


class ThresholdJudge(Judge[ThresholdConfig]):
    """Passes when the last full window is within the limits and the one that grows now does not speak against it."""

    name = "threshold"
    config = ThresholdConfig

    def problems(self, config: ThresholdConfig, *, counts: bool, fraction: bool = False) -> tuple[Problem, ...]:
        """Return why this judge cannot judge such readings."""
        found = []
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
        """Return how many requests a window needs."""
        return config.min_requests or 0

    def judge(self, config: ThresholdConfig, reading: Reading, gate: Gate | None) -> Gate:
        """Fold a reading into the gate.

        While the next window grows, a pass stands as long as the provisional value is within the limits; once it is
        not, only another full window passes again. So gates with windows of different lengths can pass together.
        The last full window is held against the limits as they are now, and counts once.
        """
        conclusive = reading.closed and reading.state is State.VALUE
        result = Gate(
            name=reading.metric,
            verdict=Verdict.UNDECIDED,
            state=reading.state,
            limit=_limit(config),
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


def _with(gate: Gate, **changes: Any) -> Gate:  # noqa: ANN401  # field values of Gate
    return gate.model_copy(update=changes)


def _outside(config: ThresholdConfig, value: float) -> str:
    """Return which limit a value breaks, empty when it is within them."""
    if config.max is not None and value > config.max:
        return f"{value:.6g} is above {config.max:g}"
    if config.min is not None and value < config.min:
        return f"{value:.6g} is below {config.min:g}"
    return ""


def _limit(config: ThresholdConfig) -> str:
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
