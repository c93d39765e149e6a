"""Pods that misbehave on their own: the candidate is one pod of ten, and may be the unlucky one."""

from collections.abc import Iterator

from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.tables.detection import rules
from tests.verdicts.traffic import Pods, Traffic, pods

KINDS = {
    "pods alike": Pods(),
    "pods differ (cv 0.5)": Pods(spread=0.5),
    "pods differ (cv 1)": Pods(spread=1.0),
    "incidents of single pods": Pods(incident=0.1),
}


def of_pods(rps: float, effect: float, kind: Pods, clump: float = 1.0) -> Traffic:
    """Return traffic of a service of ten such pods."""
    return lambda rng: pods(rng, rps, 0.005, effect, kind, clump=clump)


def _rows() -> Iterator[Row]:
    seed = 8900
    for name, kind in KINDS.items():
        for rps in (10, 100):
            for effect in (1, 10):
                healthy = Kind.HEALTHY if effect == 1 else Kind.BROKEN
                yield Row(f"{name}, {rps} rps, × {effect}", healthy, seed, of_pods(rps, effect, kind), rules)
                seed += 1


TABLE = Table(
    "pods",
    "Pods that misbehave on their own",
    "Ten pods, one of which is the candidate; stable's undisturbed rate is 0.5 %, the candidate's × 1 or × 10. `differ`: each "
    "pod's rate is drawn anew each minute, with this coefficient of variation. `incidents`: each pod fails at 10 % for 200 s "
    "once an hour on average. Stable's pods have run for an hour before the rollout, under the same conditions. No test that "
    "takes requests for independent survives this; ours divides its evidence by how much stable's own pods differ.",
    200,
    tuple(_rows()),
)
