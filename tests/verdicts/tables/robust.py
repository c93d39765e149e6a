"""What real traffic does to counters: retries, clumps, silence, restarts, slow polls."""

from collections.abc import Iterator, Mapping
from random import Random

from modelrollout.domain.reading import Key
from modelrollout.domain.tally import Measure, Rate
from modelrollout.engine.counters import increments, remember
from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import Rule
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.tables.detection import rules
from tests.verdicts.tables.pods import of_pods
from tests.verdicts.traffic import HOUR, POLL, Pods, Tick, Traffic, always, arm, incidents, rates, retries

STABLE, BROKEN = 0.005, 0.05
ARMS = (("candidate", 0.1), ("stable", 0.9))


def _plain(rps: float, rate: float, poll: float = POLL) -> Traffic:
    return lambda rng: rates(rng, rps, always(STABLE), always(rate), poll=poll)


def _incidents(factor: float) -> Traffic:
    def draw(rng: Random) -> Iterator[Tick]:
        course = incidents(rng, every=600, length=60, rate=0.2, base=STABLE)
        return rates(rng, 10, course, lambda at: min(1.0, factor * course(at)))

    return draw


def _retries(rate: float) -> Traffic:
    return lambda rng: retries(rng, 10, STABLE, rate, 3.0)


def _restarts(rng: Random, rps: float, rate: float) -> Iterator[Tick]:
    """Yield what is left of the counters of processes that start anew each minute, in the middle of a poll.

    What they counted since the last poll is lost with them; the engine's own subtraction finds the rest.
    """
    counters: dict[Key, float] = {Key(name, name, series): 0.0 for name, _ in ARMS for series in ("bad", "total")}
    seen = remember({}, counters)
    shares = {"candidate": rate, "stable": STABLE}
    for number in range(1, round(HOUR / POLL) + 1):
        halves = 2 if number % 6 == 0 else 1
        for half in range(halves):
            if half:
                counters = dict.fromkeys(counters, 0.0)
            for name, weight in ARMS:
                drawn = arm(rng, rps * POLL * weight / halves, shares[name])
                counters[Key(name, name, "bad")] += drawn.bad
                counters[Key(name, name, "total")] += drawn.total
        grown = increments(seen, counters)
        seen = remember(seen, counters)
        arms = [
            Measure(Rate(grown.get(Key(name, name, "bad"), 0.0), grown.get(Key(name, name, "total"), 0.0)))
            for name, _ in ARMS
        ]
        yield Tick(number * POLL, POLL, 0.1, *arms)


def _restarting(rate: float) -> Traffic:
    return lambda rng: _restarts(rng, 10, rate)


def _warm() -> Mapping[str, Rule]:
    """Return all rules; ours with a minute of warm-up, in which it listens to stable's polls."""
    ours = {f"ours {name}": Ours(settings(name), warmup=60) for name in ("strict", "margin")}
    return {**rules(), **ours}


def _rows() -> Iterator[Row]:
    clumped = Pods()
    pairs = (
        ("incidents that hit both, 10 rps", _incidents(1), _incidents(10), "× 10", rules),
        ("failed requests are sent three times, 10 rps", _retries(STABLE), _retries(BROKEN), "5 %", _warm),
        (
            "users who fail three times in a row, 10 rps",
            of_pods(10, 1, clumped, 3.0),
            of_pods(10, 10, clumped, 3.0),
            "5 %",
            rules,
        ),
        ("0.1 rps", _plain(0.1, STABLE), _plain(0.1, 0.2), "20 %", rules),
        ("counters start anew each minute, 10 rps", _restarting(STABLE), _restarting(BROKEN), "5 %", rules),
        ("polls each 30 s, 10 rps", _plain(10, STABLE, 30), _plain(10, BROKEN, 30), "5 %", rules),
    )
    seed = 9100
    for words, healthy, broken, effect, asked in pairs:
        yield Row(f"{words}: as good", Kind.HEALTHY, seed, healthy, asked)
        yield Row(f"{words}: {effect}", Kind.BROKEN, seed + 1, broken, asked)
        seed += 2


TABLE = Table(
    "robust",
    "What real traffic does to counters",
    "Stable 0.5 %, weight 10 %, 60 minutes, polls each 10 s unless said. Of each kind a candidate that is as good as stable, "
    "and one that is not. Repeated attempts go to the same version; in these two rows ours has a minute of warm-up "
    "(`warmUp: 60s`), in which it sees how stable's failures come. A poll whose answer takes 30 s has no row of its own: the "
    "next begins when it is there, so it is the row of polls each 30 s, decided 30 s later. Evidence goes by the time at which a "
    "sample was taken, and no number is too old to be used before three intervals, and 30 s at least.",
    200,
    tuple(_rows()),
)
