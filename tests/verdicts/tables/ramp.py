"""Which weight next: a ladder by the clock, or the largest weight that risks no more than a budget of bad requests."""

from collections.abc import Callable, Iterator
from random import Random

from modelrollout.domain.tally import Measure
from tests.verdicts.ours import Climb, Ours, settings
from tests.verdicts.rivals import ROLLBACK
from tests.verdicts.row import Kind, Outcome, Outcomes, Row, Table
from tests.verdicts.traffic import HOUR, POLL, Tick, arm

RPS = 50.0
STABLE = 0.005
LADDER = (0.05, 0.1, 0.25, 0.5, 0.75)
RATES = {f"candidate {rate * 100:g} %": rate for rate in (STABLE, 0.02, 0.1, 0.5, 1.0)}
"""Failure rate of the candidate, by row."""


Way = Callable[[Ours, float], float | None]
"""From the rule and the time to the next weight; None when it is all of the traffic, which promotes."""


def _ladder(each: float) -> Callable[[], Way]:
    return lambda: lambda _rule, at: LADDER[int(at // each)] if at < each * len(LADDER) else None


def _budget(budget: float) -> Callable[[], Way]:
    def begin() -> Way:
        climb = Climb(budget)
        return lambda rule, _at: climb.weight(rule, RPS)

    return begin


WAYS = {
    "ladder, 5 min each": _ladder(300),
    "ladder, 1 min each": _ladder(60),
    "ours, budget 10 a minute": _budget(10),
    "ours, budget 30 a minute": _budget(30),
}
"""How the weight goes."""


def _climb(rng: Random, rate: float, way: Way) -> Outcome:
    rule = Ours(settings("strict"))
    harm = requests = at = 0.0
    while at < HOUR:
        weight = way(rule, at)
        if weight is None:
            return Outcome("promote", at, harm, requests)
        at += POLL
        candidate = arm(rng, RPS * POLL * weight, rate)
        stable = arm(rng, RPS * POLL * (1 - weight), STABLE)
        harm, requests = harm + candidate.bad, requests + candidate.total
        decision = rule.poll(Tick(at, POLL, weight, Measure(candidate), Measure(stable)))
        if decision:
            return Outcome(decision, at, harm, requests)
    return Outcome("", at, harm, requests)


def _run(rate: float) -> Callable[[Random], Outcomes]:
    def run(rng: Random) -> Outcomes:
        # Each way has its own traffic, because the weight changes what is drawn.
        start = rng.getrandbits(64)
        return {name: _climb(Random(f"{start}-{name}"), rate, begin()) for name, begin in WAYS.items()}

    return run


def _rows() -> Iterator[Row]:
    for number, (name, rate) in enumerate(RATES.items()):
        wrong = ROLLBACK if rate == STABLE else ""
        yield Row(name, Kind.CLIMB, 8800 + number, play=_run(rate), wrong=wrong)


TABLE = Table(
    "8.8",
    "A ladder by the clock, and a budget of bad requests",
    "50 requests per second, stable fails at 0.5 %, sensitivity `strict`, polls each 10 s. Share of runs that ended in a "
    "promotion and in a rollback, median time until the end, mean number of bad requests. A ladder promotes when it has "
    "been climbed; a budget when the evidence says so at its last rung, 50 %, and it leaves a rung only after 50 requests of the "
    "candidate. The rollback is by the same evidence in all columns. The weight changes what is drawn, so each column has "
    "traffic of its own.",
    100,
    tuple(_rows()),
)
