"""Files and trials that the tests of simulated rollouts share."""

from typing import Any

from modelrollout.simulation.behaviour import Behaviour

LIMIT = {"max": 0.02, "minRequests": 100, "failures": 2}


def document(**changes: Any) -> dict[str, Any]:
    """A short canary that is judged by its error rate; keywords are fields of the spec."""
    metric = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": LIMIT}
    spec = {
        "replicas": 2,
        "model": {"name": "digits", "version": "2"},
        "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
        "service": {"targetPort": 8080, "timeout": "10s", "drain": "5s"},
        "traffic": {"envoy": {"replicas": 1}},
        "strategy": {"canary": {"steps": [{"weight": 20, "hold": "1m"}, {"weight": 50, "hold": "1m"}]}},
        "analysis": {"interval": "10s", "deadline": "5m", "metrics": [metric]},
        **changes,
    }
    kind = {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelDeployment"}
    return {**kind, "metadata": {"name": "digits"}, "spec": spec}


def judged(**judge: Any) -> dict[str, Any]:
    """An analysis with another judge of the error rate."""
    metric = {"name": "errors", "router": {"signal": "errorRate"}, **judge}
    return {"interval": "10s", "deadline": "10m", "metrics": [metric]}


GOOD, BAD = Behaviour(errors=0.002), Behaviour(errors=0.2)
