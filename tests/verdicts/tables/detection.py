"""A candidate that fails more often: how long it takes, and how many bad requests it has served by then."""

from collections.abc import Iterator, Mapping

from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import Argo, Flagger, Kayenta, RepeatedZ, Rule, failing, succeeds
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.traffic import Traffic, always, rates

CASES = (
    *((0.01, 10), (0.01, 100)),
    *((0.02, 10), (0.02, 100), (0.05, 1), (0.05, 10), (0.05, 100)),
    *((0.2, 0.1), (0.2, 1), (0.2, 10), (0.2, 100)),
    *((1.0, 0.1), (1.0, 1), (1.0, 10), (1.0, 100)),
)
"""Failure rate of the candidate and requests per second."""


def rules() -> Mapping[str, Rule]:
    """Return all rules, each new; none counts missing data as a failure, which would not be detection."""
    fine = succeeds(0.99)
    return {
        "Argo, no data ok": Argo(fine, no_data=True),
        "Flagger, no data ok": Flagger(fine, no_data=True),
        "Kayenta": Kayenta(failing),
        "z 5 %": RepeatedZ(),
        "ours strict": Ours(settings("strict")),
        "ours margin": Ours(settings("margin")),
    }


def worse(stable: float, candidate: float, rps: float) -> Traffic:
    """Return traffic of a candidate that fails at another rate from the start."""
    return lambda rng: rates(rng, rps, always(stable), always(candidate))


def _rows() -> Iterator[Row]:
    for number, (rate, rps) in enumerate(CASES):
        name = f"0.5 % → {rate * 100:g} %, {rps:g} rps"
        yield Row(name, Kind.BROKEN, 8200 + number, worse(0.005, rate, rps), rules, twin=f"0.5 %, {rps:g} rps")
    for number, (rate, rps) in enumerate(((0.005, 10), (0.005, 100))):
        yield Row(f"0.05 % → 0.5 %, {rps} rps", Kind.BROKEN, 8250 + number, worse(0.0005, rate, rps), rules)


TABLE = Table(
    "8.2",
    "Detection of a candidate that fails more often",
    "60 minutes, polls each 10 s, weight 10 %. Share of runs that were rolled back, median time until then, and mean number "
    "of bad requests that the candidate served until then or until the end. 0.5 % → 1 % lies at the margin and not beyond "
    "it, and 0.05 % → 0.5 % within it: there `margin` is not meant to roll back.",
    600,
    tuple(_rows()),
)
