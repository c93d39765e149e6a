"""The operator for one namespace, from its overlay: with rights in that namespace alone it does a whole rollout."""

import json
from pathlib import Path

from tests.e2e.scenario import OPERATOR, SYSTEM, canary, errors_analysis, lost_nothing, model_deployment, model_template

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "MODELROLLOUT_ROUTER_IMAGE": "localhost/modelrollout-router:dev",
    "MODELROLLOUT_COLLECTOR_IMAGE": "localhost/modelrollout-operator:dev",
    "MODELROLLOUT_DRAIN": "3s",
}


def test_an_operator_of_one_namespace_does_a_rollout(scenario):
    objects = scenario.cluster.kubectl("kustomize", ROOT / "manifests/overlays/namespaced")
    objects = objects.replace("namespace: models", f"namespace: {scenario.namespace}")
    scenario.kubectl(*SYSTEM, "scale", OPERATOR, "--replicas=0")
    try:
        scenario.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=objects)
        container = {
            "name": "operator",
            "image": "localhost/modelrollout-operator:dev",
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": name, "value": value} for name, value in SETTINGS.items()],
        }
        patch = {"spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}}}
        scenario.kubectl("patch", OPERATOR, "-p", json.dumps(patch))
        scenario.kubectl("rollout", "status", OPERATOR, "--timeout=120s")
        first = scenario.apply(model_deployment(model_template("v1"), canary(50), analysis=errors_analysis()))
        scenario.stable()
        with scenario.traffic() as traffic:
            second = scenario.apply(model_deployment(model_template("v2"), canary(50), analysis=errors_analysis()))
            scenario.stable()
            scenario.gone(first)
            report = traffic.stop()
    finally:
        scenario.kubectl("delete", OPERATOR, "--ignore-not-found")
        scenario.kubectl(*SYSTEM, "scale", OPERATOR, "--replicas=2")
        scenario.kubectl(*SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
    lost_nothing(report)
    assert report["revisions"].keys() == {first, second}
    scenario.note(report, "Role in its own namespace only")
