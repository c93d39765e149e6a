"""The status page of a simulated router holds what the real one holds, in both ways of counting."""

from datetime import timedelta
from random import Random

from modelrollout.domain.exposition import parse_exposition
from modelrollout.routers._envoy_bootstrap import BUCKETS, CLUSTERS_FILE, ROUTES_FILE
from modelrollout.simulation.agenda import Agenda
from modelrollout.simulation.arrivals import Chance, RandomArrivals
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.envoy import Envoy
from modelrollout.simulation.statistics import render
from modelrollout.simulation.traffic import Traffic

CLUSTERS = '{"version_info": "1-a", "resources": [{"name": "one"}]}'
ROUTES = """{"version_info": "1-a", "resources": [{"virtual_hosts": [{"routes": [
    {"route": {"weighted_clusters": {"clusters": [{"name": "one", "weight": 100}]}}}]}]}]}"""
MEMBERS = {"10.0.0.1": Behaviour(errors=0.25, latency=0.1), "10.0.0.2": Behaviour(latency=0.2)}


def page(chance: Chance | None) -> dict[tuple[str, str], float]:
    agenda, traffic = Agenda(), Traffic()
    traffic.rate, traffic.chance = 10.0, chance
    envoy = Envoy(
        "router-1",
        now=lambda: agenda.now,
        traffic=traffic,
        resolve=lambda _revision: MEMBERS,
        answers=lambda _address: True,
        routes_first=False,
        tell=lambda _envoy: None,
    )
    envoy.load({CLUSTERS_FILE: CLUSTERS, ROUTES_FILE: ROUTES})
    traffic.open(envoy)
    agenda.now += timedelta(seconds=400)
    found = {}
    for name, labels, value in parse_exposition(render(envoy)):
        known = {key: text for key, text in labels.items() if key not in ("envoy_cluster_name", "cluster")}
        found[name.removeprefix("envoy_"), ",".join(known.values())] = value
    return found


def test_a_flow_is_exact_to_the_last_request():
    found = page(None)
    assert found["cluster_upstream_rq_total", ""] == 4000
    assert found["cluster_upstream_rq_xx", "5"] == 500
    assert found["cluster_endpoint_rq_total", "10.0.0.1:8080"] == 2000
    assert found["cluster_endpoint_rq_error", "10.0.0.1:8080"] == 500
    assert found["cluster_endpoint_rq_error", "10.0.0.2:8080"] == 0
    assert [bound for name, bound in found if name == "cluster_upstream_rq_time_bucket"] == [
        "50",
        "250",
        "1000",
        "5000",
        "+Inf",
    ]


def test_chance_counts_whole_requests_that_agree_with_each_other():
    random = Random(1)
    found = page(Chance(random, RandomArrivals(random)))
    total, failed = found["cluster_upstream_rq_completed", ""], found["cluster_upstream_rq_xx", "5"]
    assert total == found["cluster_upstream_rq_total", ""]
    # Six standard deviations around the mean.
    assert abs(total - 4000) < 6 * 4000**0.5
    assert abs(failed - 500) < 6 * 500**0.5
    members = [f"{address}:8080" for address in MEMBERS]
    assert sum(found["cluster_endpoint_rq_total", member] for member in members) == total
    assert [found["cluster_endpoint_rq_error", member] for member in members] == [failed, 0]
    times = [value for (name, _), value in found.items() if name == "cluster_upstream_rq_time_bucket"]
    first_bytes = [value for (name, _), value in found.items() if name == "router_ttfb_ms_bucket"]
    assert len(times) == len(first_bytes) == len(BUCKETS) + 1
    assert times == sorted(times)
    assert (times[-1], first_bytes[-1]) == (total, total - failed)
    # Half of the faster pod's answers and few of the slower one's come within 100 ms.
    within = times[BUCKETS.index(100)] / total
    assert 0.25 < within < 0.35


def test_nobody_who_looks_at_no_clock_is_told_the_time():
    random = Random(1)
    found = page(Chance(random, RandomArrivals(random), timed=False))
    assert not any(name.endswith("_bucket") for name, _ in found)
    assert found["cluster_upstream_rq_total", ""] > 0
