"""Copies of requests: joined answers of both versions tell more than two separate counts, and those more than a canary."""

import math
from collections.abc import Iterator, Mapping
from random import Random

from modelrollout.domain.tally import Measure, Rate
from modelrollout.evidence.paired import Cells, PairedTest
from tests.verdicts.ours import ALPHA, BETA, Ours, settings
from tests.verdicts.rivals import PROMOTE, ROLLBACK, Rule
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.sampling import poisson
from tests.verdicts.traffic import POLL, Tick, Traffic, always, rates

RPS = 5.0
SECONDS = 4 * 3600.0
MARGIN = 0.005


class _Joined(Rule):
    """The test on joined answers, alone: it needs the counts of pairs in which exactly one version is bad."""

    def __init__(self, test: PairedTest, decision: str, chance: float) -> None:
        self._test, self._decision = test, decision
        self._state = test.start()
        self._enough = -math.log(chance)

    def poll(self, tick: Tick) -> str | None:
        """Fold the cells of this tick in."""
        assert tick.joined is not None
        self._state = self._test.step(self._state, tick.joined)
        return self._decision if self._test.log_e(self._state) >= self._enough else None


class _Canary(Ours):
    """Ours on what a canary would have seen."""

    def poll(self, tick: Tick) -> str | None:
        """Look at the canary's requests."""
        assert tick.canary is not None
        return super().poll(tick.canary)


def rules() -> Mapping[str, Rule]:
    """Return all rules, each new."""
    return {
        "joined: worse": _Joined(PairedTest(0.0), ROLLBACK, ALPHA),
        "ours strict, copies": Ours(settings("strict")),
        "ours strict, canary 10 %": _Canary(settings("strict")),
        "joined: within +0.5 pp": _Joined(PairedTest(MARGIN, worse=False), PROMOTE, BETA),
        "ours, copies: within +0.5 pp": Ours(settings("margin"), promotes=True, rolls_back=False),
    }


def _traffic(stable: float, shared: float, extra: float) -> Traffic:
    """Return counts of the same requests.

    A part of the failures lies in the request and hits both versions; the others hit each version independently.
    """
    both = stable * shared
    alone = (stable - both) / (1 - both)
    more = alone + extra / (1 - both)

    def draw(rng: Random) -> Iterator[Tick]:
        requests = RPS * POLL
        for canary in rates(rng, RPS, always(stable), always(stable + extra), seconds=SECONDS):
            only_candidate = poisson(rng, requests * (1 - both) * more * (1 - alone))
            only_stable = poisson(rng, requests * (1 - both) * alone * (1 - more))
            common = poisson(rng, requests * (both + (1 - both) * more * alone))
            fine = poisson(rng, requests * (1 - both) * (1 - more) * (1 - alone))
            pairs = only_candidate + only_stable + common + fine
            candidate, behind = Rate(common + only_candidate, pairs), Rate(common + only_stable, pairs)
            joined = Cells(only_candidate, only_stable, pairs)
            yield Tick(canary.at, POLL, 0.5, Measure(candidate), Measure(behind), joined=joined, canary=canary)

    return draw


def _rows() -> Iterator[Row]:
    seed = 8400
    for stable in (0.005, 0.02, 0.1):
        for shared in (0.5, 0.9):
            for extra in (0.0, 0.005, 0.02):
                name = f"{stable * 100:g} %, {shared * 100:g} % caused by the request, +{extra * 100:g} pp"
                # A margin of half a point is crossed by what lies at it or beyond.
                wrong = PROMOTE if extra else ROLLBACK
                yield Row(name, Kind.MIRRORED, seed, _traffic(stable, shared, extra), rules, wrong=wrong)
                seed += 1


TABLE = Table(
    "8.4",
    "Mirrored traffic, with joined answers",
    "5 requests per second, all copied, four hours. A part of the failures is caused by the request and hits both versions. "
    "Share of runs that came to the conclusion that the column names, and median time until then. `joined` is the paired "
    "test on the four cells, called by itself and not by the engine; the others see only the counts of both versions.",
    100,
    tuple(_rows()),
)
