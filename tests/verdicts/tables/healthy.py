"""A candidate that is exactly as good as stable, for an hour: every rollback is false."""

from collections.abc import Callable, Iterator, Mapping
from random import Random

from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import Argo, Flagger, Kayenta, NormalMixture, RepeatedZ, Rule, failing, succeeds
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.traffic import TENTH, Course, Tick, Traffic, always, incidents, rates, rising, steps

LADDER = steps((0.05, 0.1, 0.2, 0.3, 0.4, 0.5), 600)


def rules() -> Mapping[str, Rule]:
    """Return all rules, each new."""
    fine = succeeds(0.99)
    return {
        "Argo": Argo(fine, no_data=False),
        "Argo, no data ok": Argo(fine, no_data=True),
        "Flagger": Flagger(fine, no_data=False),
        "Kayenta": Kayenta(failing),
        "z 5 %": RepeatedZ(),
        "mSPRT 5 %": NormalMixture(),
        "ours strict": Ours(settings("strict")),
        "ours margin": Ours(settings("margin")),
    }


def _same(rps: float, course: Callable[[Random], Course], weight: Course = TENTH) -> Traffic:
    def draw(rng: Random) -> Iterator[Tick]:
        both = course(rng)
        return rates(rng, rps, both, both, weight)

    return draw


def _steady(rate: float) -> Callable[[Random], Course]:
    return lambda _: always(rate)


def _rows() -> Iterator[Row]:
    rise = lambda _: rising(0.005, 0.025)  # noqa: E731
    spikes = lambda rng: incidents(rng, every=600, length=60, rate=0.2, base=0.005)  # noqa: E731
    scenarios = (
        *((f"0.5 %, {rps:g} rps", _same(rps, _steady(0.005))) for rps in (0.1, 1, 10, 100)),
        ("2 %, 10 rps", _same(10, _steady(0.02))),
        ("20 %, 10 rps", _same(10, _steady(0.2))),
        ("shared incidents to 20 %, 10 rps", _same(10, spikes)),
        *((f"weight 5 → 50 % and rate 0.5 → 2.5 %, {rps} rps", _same(rps, rise, LADDER)) for rps in (10, 100)),
    )
    for number, (name, draw) in enumerate(scenarios):
        yield Row(name, Kind.HEALTHY, 8100 + number, draw, rules)


TABLE = Table(
    "8.1",
    "False rollback of a healthy candidate",
    "Both versions fail at the same rate. 60 minutes, polls each 10 s, weight 10 % unless said. Incidents begin every ten "
    "minutes on average, last one minute on average and hit both versions. Shares of runs that were rolled back.",
    2000,
    tuple(_rows()),
)
