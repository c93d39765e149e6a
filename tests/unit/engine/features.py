"""A source of distributions and a judge of them, as small as they can be: what tests of references need."""

from dataclasses import dataclass

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Features, Histogram, Measure, Shares
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges._base import DEFAULT_BETA, Weigher
from modelrollout.schema import ApiModel
from modelrollout.sources._base import Fetch, Measured, Origin, Source


class Nothing(ApiModel):
    """No setting."""


class Counted(Source[Nothing]):
    """Ten requests a second, of which a share is of colour b and the others of colour a; all are of size 1 or 2.

    Attributes:
        share: of requests of colour b from now on.
    """

    name = "counted"
    config = Nothing

    def __init__(self, *, inputs: bool = True) -> None:
        self.inputs = inputs
        self.share = 0.1
        self._counters: dict[str, dict[str, float]] = {}
        self._at = None

    def forms(self, config):
        return frozenset({Features})

    def of_inputs(self, config):
        return self.inputs

    def fetch(self, config, scope):
        return Fetch(Origin.ROUTERS)

    def parse(self, config, scope, answers, at):
        seconds = (at - self._at).total_seconds() if self._at is not None else 0.0
        self._at = at
        mine = self._counters.setdefault(scope.arm, dict.fromkeys(("requests", "a", "b", "1", "2"), 0.0))
        requests = 10 * seconds
        grown = (requests, requests * (1 - self.share), requests * self.share, requests / 2, requests / 2)
        for series, more in zip(mine, grown, strict=True):
            mine[series] += more
        return Sample(at, {Key(scope.arm, "router", series): value for series, value in mine.items()})

    def measure(self, config, increments, seconds):
        return Measured(None, 0)

    def measure_arm(self, config, increments):
        requests = increments.get("requests", 0.0)
        if not requests:
            return None
        sizes = Histogram(((1.0, increments.get("1", 0.0)), (float("inf"), requests)))
        colours = Shares({name: increments.get(name, 0.0) for name in "ab"})
        return Measure(Features({"colour": colours, "size": sizes}, requests))


@dataclass(frozen=True)
class Ledger:
    """Share of colour b in the last block, and in the reference of that time."""

    now: float = 0.0
    then: float | None = None


class Moved(Weigher[Nothing, Ledger]):
    """Says that the world has moved when the share differs from the reference's by a tenth."""

    name = "moved"
    config = Nothing

    def problems(self, config, *, counts, fraction=False, forms=frozenset()):
        return ()

    def min_requests(self, config):
        return 1

    def forms(self, config):
        return frozenset({Features})

    def begin(self, config, question):
        return Ledger()

    def weigh(self, config, ledger, block, noise, cap):
        return Ledger(_share(block.candidate), _share(block.reference) if block.reference is not None else None)

    def evidence(self, config, ledger):
        moved = ledger.then is not None and abs(ledger.now - ledger.then) > 0.1
        return Evidence(candidate=ledger.now, requests=1, enough=True, moved="world" if moved else None)

    def dump(self, ledger):
        return [ledger.now, ledger.then]

    def load(self, config, question, raw):
        return Ledger(*raw)

    def judge(self, config, reading, gate, *, beta=DEFAULT_BETA):
        value = reading.evidence.candidate if reading.evidence is not None and reading.state is State.VALUE else None
        return Gate(
            name=reading.metric,
            verdict=Verdict.UNDECIDED,
            state=reading.state,
            value=value,
            at=reading.at,
            evidence=reading.evidence,
        )

    def blame_words(self, config, evidence, alpha):
        return f"the world has moved: {evidence.candidate:g}"


def _share(tally):
    counts = tally.counts["colour"].counts
    return counts["b"] / sum(counts.values())
