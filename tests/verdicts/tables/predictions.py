"""Two versions answer copies of the same requests: do they agree far enough, and where not?"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from random import Random

from modelrollout.domain.tally import Crossed, Measure, Scores, Tally
from modelrollout.judges.agreement import PLUGIN, AgreementConfig
from modelrollout.sources._predictions import PredictionsConfig, Signal
from modelrollout.sources.predictions import PLUGIN as PREDICTIONS
from tests.verdicts.ours import Ours
from tests.verdicts.rivals import PROMOTE, ROLLBACK, Rule
from tests.verdicts.row import MISNAMED, Kind, Row, Table
from tests.verdicts.sampling import poisson
from tests.verdicts.tables.slices import LARGE, SHARES, SMALL
from tests.verdicts.traffic import HOUR, POLL, Tick, Traffic

TWICE = 0.1
"""Of the requests stable answers so many a second time, where there is a baseline; as shipped."""
LEAST, KAPPA, MARGIN = 0.97, 0.6, 0.02
Draw = Callable[[Random, int], Tally]
"""Draws so many pairs."""


class _Predictions(Ours):
    """Ours with the judge ``agreement`` and the source that reads the collectors."""

    def __init__(self, *, signal: Signal = Signal.AGREEMENT, promotes: bool = True, **asked: float) -> None:
        super().__init__(
            AgreementConfig.model_validate(asked),
            promotes=promotes,
            judge=PLUGIN,
            source=(PREDICTIONS, PredictionsConfig(signal=signal)),
        )


class _Naming(_Predictions):
    """It must name the slice that is wrong, and no other."""

    def __init__(self, guilty: int, *, promotes: bool = True) -> None:
        super().__init__(min=LEAST, promotes=promotes)
        self._guilty = str(guilty)

    def poll(self, tick: Tick) -> str | None:
        """Look at whom a rollback blames."""
        decision = super().poll(tick)
        if decision != ROLLBACK:
            return decision
        return ROLLBACK if self.blamed == {self._guilty} else MISNAMED


def _least() -> Mapping[str, Rule]:
    return {"ours": _Predictions(min=LEAST), "ours, watched on": _Predictions(min=LEAST, promotes=False)}


def _margin() -> Mapping[str, Rule]:
    return {
        "ours": _Predictions(margin=MARGIN),
        "ours, watched on": _Predictions(margin=MARGIN, promotes=False),
        "without a baseline: ≥ 97 %": _Predictions(min=LEAST),
    }


def _naming(guilty: int) -> Callable[[], Mapping[str, Rule]]:
    return lambda: {"ours": _Naming(guilty), "ours, watched on": _Naming(guilty, promotes=False)}


def _kappa() -> Mapping[str, Rule]:
    kappa = {"signal": Signal.KAPPA}
    return {
        "ours": _Predictions(**kappa, min=KAPPA),
        "ours, watched on": _Predictions(**kappa, min=KAPPA, promotes=False),
    }


def _labels(disagree: float) -> Draw:
    """Labels that differ in such a share of the requests."""

    def draw(rng: Random, pairs: int) -> Scores:
        found = Counter(rng.choices((0.0, 1.0), (disagree, 1 - disagree), k=pairs))
        return Scores({value: float(count) for value, count in found.items()})

    return draw


def _noisy(stable: float, candidate: float) -> Draw:
    """Models that give another answer than the usual one in such a share, at random; stable answers some requests twice."""

    @cache
    def law() -> Mapping[tuple[float, float], float]:
        """Return the chances of (score, excess): all three answers are usual or not."""
        chances: Counter[tuple[float, float]] = Counter()
        for first, second, other in product((False, True), repeat=3):
            chance = 1.0
            for unusual, share in ((first, stable), (second, stable), (other, candidate)):
                chance *= share if unusual else 1 - share
            score = float(first == other)
            chances[score, float(first == second) - score] += chance  # type: ignore[assignment]  # a chance
        return chances

    def draw(rng: Random, pairs: int) -> Scores:
        found = rng.choices(tuple(law()), tuple(law().values()), k=pairs)
        twice = sum(rng.random() < TWICE for _ in found)
        beyond = Counter(excess for _, excess in found[:twice])
        return Scores(Counter(score for score, _ in found), beyond)

    return draw


def _positives(rate: float, missed: float, invented: float) -> Draw:
    """Stable says "yes" to such a share; the candidate misses a part of these and invents others. Taken two by two."""
    law = {
        (True, True): rate * (1 - missed),
        (True, False): rate * missed,
        (False, True): (1 - rate) * invented,
        (False, False): (1 - rate) * (1 - invented),
    }
    couples: Counter[tuple[int, int]] = Counter()
    for ((x, y), p), ((x2, y2), q) in product(law.items(), repeat=2):
        couples[(x != y) + (x2 != y2), (x != y2) + (x2 != y)] += p * q  # type: ignore[assignment]  # a chance
    cells, chances = tuple(couples), tuple(couples.values())
    return lambda rng, pairs: Crossed(Counter(rng.choices(cells, chances, k=pairs // 2)))


def _traffic(draw: Draw, rps: float) -> Traffic:
    def ticks(rng: Random) -> Iterator[Tick]:
        for number in range(1, round(HOUR / POLL) + 1):
            pairs = Measure(draw(rng, max(2, poisson(rng, rps * POLL))))
            yield Tick(number * POLL, POLL, 0.0, pairs, Measure(Scores({})))

    return ticks


def _sliced(broken: int | None, rps: float) -> Traffic:
    """Twenty parts of the traffic; predictions differ in 1 %, and in one part in half of all requests."""

    def ticks(rng: Random) -> Iterator[Tick]:
        nobody = Measure(Scores({}))
        for number in range(1, round(HOUR / POLL) + 1):
            parts, whole = {}, Counter[float]()
            for index, share in enumerate(SHARES):
                draw = _labels(0.5 if index == broken else 0.01)
                tally = draw(rng, poisson(rng, rps * POLL * share))
                assert isinstance(tally, Scores)
                whole.update(tally.counts)  # type: ignore[arg-type]  # counts
                parts[str(index)] = (Measure(tally), nobody)
            yield Tick(number * POLL, POLL, 0.0, Measure(Scores(whole)), nobody, slices=parts)

    return ticks


def _rows() -> Iterator[Row]:
    """Yield what must pass, what is at the limit, and what must be stopped."""
    same, noisier = _noisy(0.03, 0.03), _noisy(0.03, 0.1)
    negative, good = _positives(0.01, 1.0, 0.0), _positives(0.1, 0.05, 0.002)
    large, small = (f"half wrong in a slice of {SHARES[index] * 100:.2g} %, ≥ 97 %" for index in (LARGE, SMALL))
    # Few pairs a second where a decision comes soon, so that it is seen how soon.
    rows = (
        ("different in 1 %, ≥ 97 %, 10 rps", _traffic(_labels(0.01), 10), _least, PROMOTE),
        ("different in 1 % of each of 20 slices, ≥ 97 %, 10 rps", _sliced(None, 10), _least, PROMOTE),
        ("as noisy as stable (3 % each), within 2 pp, 100 rps", _traffic(same, 100), _margin, PROMOTE),
        ("finds 95 % of 10 % positives, κ ≥ 0.6, 10 rps", _traffic(good, 10), _kappa, PROMOTE),
        ("different in 3 %, ≥ 97 %, 50 rps", _traffic(_labels(0.03), 50), _least, ""),
        ("different in 3.1 %, ≥ 97 %, 50 rps", _traffic(_labels(0.031), 50), _least, ""),
        ("different in 20 %, ≥ 97 %, 1 rps", _traffic(_labels(0.2), 1), _least, ROLLBACK),
        ("always negative on 1 % positives, κ ≥ 0.6, 5 rps", _traffic(negative, 5), _kappa, ROLLBACK),
        ("noisier than stable (10 %, 3 %), within 2 pp, 50 rps", _traffic(noisier, 50), _margin, ROLLBACK),
        (f"{large}, 5 rps", _sliced(LARGE, 5), _naming(LARGE), ROLLBACK),
        (f"{small}, 5 rps", _sliced(SMALL, 5), _naming(SMALL), ROLLBACK),
    )
    for seed, (name, traffic, rules, right) in enumerate(rows, 8900):
        # At the limit a stop is wrong, beyond it a pass. Where only a small slice is beyond it, all requests together may pass.
        wrong = ROLLBACK if right == PROMOTE or name.startswith("different in 3 %") else PROMOTE
        wrong = "" if name.startswith(small) else wrong
        yield Row(name, Kind.PAIRS, seed, traffic, rules, wrong=wrong, right=right)


TABLE = Table(
    "predictions",
    "Predictions of two versions, pair by pair",
    "Copied requests, so many per second as the row says, at most an hour. *Passed* or *stopped*, with the median number of "
    "pairs until then. `ours` ends with the first of both, as a shadow does; `watched on` is looked at until the hour is over, "
    "whether it passes or not. With a margin stable answers 10 % of the requests twice. Slices are twenty, from 20 % of the "
    "traffic to 2 %; a stop is right only if it names the slice that is wrong and no other. With half of the smaller slice wrong "
    "all requests together still agree in 97.8 %, so `ours` may pass before its few pairs tell; a shadow with a `hold` goes on.",
    200,
    tuple(_rows()),
)
