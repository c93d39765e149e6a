"""A team with a running Deployment and Service moves in: its own Service is pointed at the router's pods."""

import json

from tests.e2e.scenario import canary, lost_nothing, model_deployment, model_template


def test_a_service_that_clients_use_is_pointed_at_the_router(scenario):
    # A server that says `connection: close` while it leaves: kept connections move without a loss.
    template = model_template("v1", TERM_MODE="drain", DRAIN_S="4")
    labels = {"app": "old"}
    old = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "old"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {**template, "metadata": {"labels": labels}},
        },
    }
    front = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "front"},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }
    scenario.kubectl("apply", "-f", "-", body=old)
    scenario.kubectl("apply", "-f", "-", body=front)
    scenario.kubectl("rollout", "status", "deployment", "old", "--timeout=60s")
    address = scenario.read("services", "front")["spec"]["clusterIP"]
    with scenario.traffic(host=address) as traffic:
        first = scenario.apply(model_deployment(template, canary(50)))
        scenario.stable()
        selector = {"app": None, "modelrollout.dev/name": scenario.name, "modelrollout.dev/component": "router"}
        scenario.kubectl("patch", "service", "front", "-p", json.dumps({"spec": {"selector": selector}}))
        scenario.until("new connections reach the router", lambda: _endpoints(scenario) == _routers(scenario))
        scenario.kubectl("delete", "deployment", "old")
        second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="2s")))
        scenario.stable()
        report = traffic.stop()
    lost_nothing(report)
    assert {first, second} <= report["revisions"].keys()
    scenario.note(report)


def _endpoints(scenario):
    found = scenario.cluster.get("endpointslices", "-n", scenario.namespace, "-l", "kubernetes.io/service-name=front")
    return {address for each in found["items"] for end in each["endpoints"] or () for address in end["addresses"]}


def _routers(scenario):
    return {pod["status"].get("podIP") for pod in scenario.routers()}
