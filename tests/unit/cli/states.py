"""ModelDeployments as an operator leaves them: one object per situation that people ask about."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from modelrollout.domain.observation import Limits
from modelrollout.domain.revision import Revision
from modelrollout.resources.revision import build_revision

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def before(**parts: float) -> str:
    return (NOW - timedelta(**parts)).isoformat().replace("+00:00", "Z")


SPEC: dict[str, Any] = {
    "replicas": 4,
    "model": {"name": "digits", "version": "2"},
    "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
    "service": {"targetPort": 8080, "drain": "3s"},
    "strategy": {
        "canary": {
            "shadow": {"percent": 100, "hold": "1m"},
            "steps": [{"weight": 25, "hold": "2m"}, {"pause": {}}, {"weight": 50, "hold": "2m"}],
            "bake": "5m",
        }
    },
    "analysis": {
        "metrics": [
            {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.02, "minRequests": 50}},
            {"name": "gpu", "prometheus": {"query": "avg(gpu)"}, "threshold": {"max": 95}},
        ]
    },
}


def revision(version: str) -> Revision:
    """A revision that differs in the model's version."""
    template = {"spec": {"containers": [{"name": "model", "image": f"digits:{version}"}]}}
    content = {"template": template, "model": {"name": "digits", "version": version}, "targetPort": 8080, "drain": "3s"}
    return build_revision(content, Limits())


OLD, NEW, OLDEST = revision("1"), revision("2"), revision("0")


def snapshot(one: Revision, number: int) -> dict[str, Any]:
    return {"metadata": {"name": f"digits-{one.name}"}, "data": one.snapshot(), "revision": number}


SNAPSHOTS = [snapshot(OLDEST, 1), snapshot(OLD, 2), snapshot(NEW, 3)]


def deployment(name: str, ready: int, wanted: int) -> dict[str, Any]:
    status = {"readyReplicas": ready} if ready else {}
    return {"metadata": {"name": name}, "spec": {"replicas": wanted}, "status": status}


DEPLOYMENTS = [
    deployment(f"digits-{OLD.name}", 4, 4),
    deployment(f"digits-{NEW.name}", 0, 1),
    deployment("digits-router", 2, 2),
]

ROLLOUT: dict[str, Any] = {
    "revision": NEW.name,
    "previous": OLD.name,
    "attempt": 1,
    "strategy": "canary",
    "state": "Progressing",
    "stage": 1,
    "stages": 6,
    "stageLabel": "step 1/3",
    "startedAt": before(minutes=3),
    "stageAt": before(seconds=50),
    "verifiedAt": before(seconds=48),
}


def route(weight: int, mirror: int = 0, verified: bool = True) -> dict[str, Any]:
    arms = [{"revision": OLD.name, "weight": 100 - weight}] if weight < 100 else []
    arms += [{"revision": NEW.name, "weight": weight}] if weight else []
    mirrors = [{"revision": NEW.name, "percent": mirror}] if mirror else []
    ask = {"serial": 7, "route": {"arms": arms, "mirrors": mirrors}, "clusters": [OLD.name, NEW.name]}
    return {"route": ask, "routeVerified": verified, **({"weight": weight} if verified else {})}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 3,
        "lastTransitionTime": before(minutes=1),
    }


def past(one: Revision, outcome: str = "Completed", **more: Any) -> dict[str, Any]:
    return {
        "revision": one.name,
        "attempt": 1,
        "strategy": "canary",
        "outcome": outcome,
        "startedAt": before(hours=2),
        "endedAt": before(hours=1),
        "model": f"digits {one.content['model']['version']}",
        **more,
    }


def thing(status: dict[str, Any] | None, **spec: Any) -> dict[str, Any]:
    """A ModelDeployment with a status; keywords replace fields of the spec."""
    metadata = {
        "name": "digits",
        "namespace": "team",
        "uid": "u1",
        "generation": 3,
        "resourceVersion": "100",
        "annotations": {},
    }
    body = {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": metadata,
        "spec": deepcopy({**SPEC, **spec}),
    }
    if status is not None:
        body["status"] = deepcopy(status)
    return body


def progressing(**more: Any) -> dict[str, Any]:
    """A status in the hold of the first step; keywords replace fields of the status."""
    usual = {
        "observedGeneration": 3,
        "phase": "Progressing",
        "message": "step 1/3 holds until 12:01:12 UTC",
        "step": "step 1/3",
        "stable": OLD.name,
        "candidate": NEW.name,
        "rollout": ROLLOUT,
        "history": [past(OLD), past(OLDEST)],
        "conditions": [
            condition("Ready", "False", "Holding"),
            condition("Reconciling", "True", "Holding"),
            condition("Available", "True", "Served"),
            condition("TrafficVerified", "True", "Acknowledged"),
        ],
        **route(25),
    }
    return {key: value for key, value in {**usual, **more}.items() if value is not None}


def finished(**more: Any) -> dict[str, Any]:
    """A status after a rollout that went well."""
    over = {**ROLLOUT, "state": "Completed", "stage": 5, "stageLabel": "bake"}
    status = {
        **progressing(),
        **route(100),
        "phase": "Ready",
        "message": f"{NEW.name} is stable.",
        "stable": NEW.name,
        "rollout": over,
        "history": [past(NEW), past(OLD), past(OLDEST)],
        "conditions": [condition("Ready", "True", "Stable"), condition("Available", "True", "Served")],
    }
    del status["candidate"], status["weight"]
    return {**status, **more}


def aborted(**more: Any) -> dict[str, Any]:
    """A status after a metric sent the candidate home."""
    cause = {"reason": "GateFailed", "message": "errors: 0.2 is above 0.02", "at": before(seconds=20)}
    message = "GateFailed: errors: 0.2 is above 0.02 All traffic is home."
    status = {
        **progressing(),
        **route(0),
        "phase": "Aborted",
        "message": message,
        "rollout": {**ROLLOUT, "state": "Aborted", "cause": cause},
        "history": [past(NEW, "Aborted", reason="GateFailed: errors"), past(OLD), past(OLDEST)],
        "conditions": [
            condition("Ready", "False", "RolloutAborted", message),
            condition("Stalled", "True", "RolloutAborted", message),
            condition("AnalysisPassed", "False", "Fail", "errors: 0.2 is above 0.02"),
        ],
    }
    del status["candidate"], status["weight"]
    return {**status, **more}
