"""A candidate that is slower, seen through the buckets that a client library has by default."""

from collections.abc import Iterator, Mapping

from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import Argo, Flagger, Kayenta, Rule, p99, p99_below, p99_within
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.traffic import Latency, Traffic, latencies, slow_pods

CANDIDATES = {
    "same": Latency(),
    "1.1 × as slow": Latency(1.1),
    "1.3 × as slow": Latency(1.3),
    "2 × as slow": Latency(2.0),
    "3 % take 1 s more": Latency(tail=0.03),
    "faster, but 2 % take 1 s more": Latency(0.8, tail=0.02),
}


def rules() -> Mapping[str, Rule]:
    """Return all rules, each new."""
    return {
        "Argo, p99 < 500 ms": Argo(p99_below(0.5), no_data=True),
        "Flagger, p99 < 500 ms": Flagger(p99_below(0.5), no_data=True),
        "Flagger, p99 ≤ 1.2 × stable": Flagger(p99_within(1.2), no_data=True),
        "Kayenta, p99": Kayenta(p99),
        "ours strict": Ours(settings("strict")),
        "ours margin": Ours(settings("margin")),
    }


def _traffic(candidate: Latency, rps: float, noise: float) -> Traffic:
    return lambda rng: latencies(rng, rps, candidate, noise)


def _slow(rps: float, factor: float) -> Traffic:
    return lambda rng: slow_pods(rng, rps, factor)


def _rows() -> Iterator[Row]:
    seed = 8500
    for words, noise in (("steady", 0.0), ("shared noise", 0.35)):
        for name, candidate in CANDIDATES.items():
            for rps in (1, 10, 100):
                kind = Kind.HEALTHY if name == "same" else Kind.BROKEN
                yield Row(f"{words}: {name}, {rps} rps", kind, seed, _traffic(candidate, rps, noise), rules)
                seed += 1
    for rps in (10, 100):
        yield Row(f"slow minutes of single pods: same, {rps} rps", Kind.HEALTHY, seed, _slow(rps, 1.0), rules)
        yield Row(f"slow minutes of single pods: 2 × as slow, {rps} rps", Kind.BROKEN, seed + 1, _slow(rps, 2.0), rules)
        seed += 2


TABLE = Table(
    "8.5",
    "Latency histograms",
    "Lognormal latencies, median 80 ms, σ 0.6; a request that takes more than 500 ms is counted as a bad one. Shared noise "
    "moves both versions' median up and down by a common factor (standard deviation of its logarithm 0.35, over five "
    "minutes). Slow minutes of single pods: ten pods, one of which is the candidate; each by itself has one bad minute in "
    "ten, in which a fifth of its requests take half a second more, else 0.5 %. 60 minutes, polls each 10 s, weight 10 %. "
    "`ours` compares at the bounds of the buckets; `strict` accepts +0.1 pp and × 1.1 above each bound.",
    100,
    tuple(_rows()),
)
