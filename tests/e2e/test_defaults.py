"""Ordinary clusters cache DNS for 30 seconds and more. With the default settings of the operator nothing is lost there either."""

from tests.e2e.scenario import OPERATOR, SYSTEM, canary, lost_nothing, model_deployment, model_template

COREDNS = ("-n", "kube-system")


def test_dns_that_is_cached_for_30_seconds_and_default_settings(scenario):
    corefile = scenario.cluster.get("configmap", "coredns", *COREDNS)["data"]["Corefile"]
    slow = corefile.replace("ttl 1\n", "ttl 30\n").replace("cache 1\n", "cache 30\n")
    assert slow != corefile
    scenario.kubectl(*SYSTEM, "set", "env", OPERATOR, "MODELROLLOUT_DRAIN-")
    _use(scenario, slow)
    try:
        scenario.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
        service = {"port": 80, "targetPort": 8080, "timeout": "5s"}
        first = scenario.apply(model_deployment(model_template("v1"), canary(50), service=service))
        scenario.stable(180)
        with scenario.traffic() as traffic:
            second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="2s"), service=service))
            scenario.stage("step 1/1", 120)
            pods = sorted(pod["metadata"]["name"] for pod in scenario.models(second))
            scenario.kubectl("delete", "pod", pods[0], "--wait=false")
            scenario.stable(240)
            scenario.gone(first, 120)
            report = traffic.stop()
    finally:
        scenario.kubectl(*SYSTEM, "set", "env", OPERATOR, "MODELROLLOUT_DRAIN=3s")
        _use(scenario, corefile)
        scenario.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
    lost_nothing(report)
    assert report["revisions"].keys() == {first, second}
    scenario.note(report, "CoreDNS ttl 30 and cache 30, drain 35 s")


def _use(scenario, corefile):
    scenario.kubectl(
        *COREDNS,
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coredns"}, "data": {"Corefile": corefile}},
    )
    scenario.kubectl(*COREDNS, "rollout", "restart", "deployment", "coredns")
    scenario.kubectl(*COREDNS, "rollout", "status", "deployment", "coredns", "--timeout=120s")
