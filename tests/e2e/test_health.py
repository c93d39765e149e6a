"""What other tools make of statuses that the operator really wrote: kubectl wait and Argo CD's health script."""

from tests.api.health import health
from tests.cluster.shell import ClusterError
from tests.e2e.scenario import canary, model_deployment, model_template


def is_ready(scenario):
    """What `kubectl wait` says within a second."""
    try:
        scenario.kubectl("wait", "--for=condition=Ready", "--timeout=1s", f"modeldeployment/{scenario.name}")
    except ClusterError:
        return False
    return True


def test_tools_tell_done_from_on_its_way_waiting_and_aborted(scenario):
    steps = {"canary": {"steps": [{"weight": 50, "hold": "1s"}, {"pause": {}}]}}
    # No history: a snapshot that nothing needs any more is deleted.
    kept = {"revisionHistoryLimit": 0}
    seen = {}
    first = scenario.apply(model_deployment(model_template("v1"), steps, **kept))
    seen["on its way"] = (health(scenario.get())["status"], is_ready(scenario))
    scenario.stable()
    seen["done"] = (health(scenario.get())["status"], is_ready(scenario))
    scenario.apply(model_deployment(model_template("v2"), steps, **kept))
    scenario.stage("pause 2/2")
    seen["waiting for a person"] = (health(scenario.get())["status"], is_ready(scenario))
    assert scenario.request("promote")["accepted"]
    scenario.stable()
    seen["promoted"] = (health(scenario.get())["status"], is_ready(scenario))
    snapshot = f"{scenario.name}-{first}"
    scenario.until("the old snapshot is gone", lambda: scenario.read("controllerrevisions", snapshot) is None)
    scenario.apply(model_deployment(model_template("v3"), canary(50, hold="5m"), **kept))
    scenario.stage("step 1/1")
    seen["holding"] = (health(scenario.get())["status"], is_ready(scenario))
    scenario.abort()
    scenario.aborted("Requested")
    seen["aborted"] = (health(scenario.get())["status"], is_ready(scenario))
    assert seen == {
        "on its way": ("Progressing", False),
        "done": ("Healthy", True),
        "waiting for a person": ("Suspended", False),
        "promoted": ("Healthy", True),
        "holding": ("Progressing", False),
        "aborted": ("Degraded", False),
    }
