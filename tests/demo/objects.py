"""The objects that the demo applies: what a team would have in its repository, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

NAME = "digits"
NAMESPACE, PLAIN_NAMESPACE = "demo", "demo-plain"
OURS = "app.kubernetes.io/part-of=modelrollout-demo"
"""The label by which the demo knows its namespaces."""
PATH = f"/v2/models/{NAME}"

CAREFUL = {
    "canary": {
        "shadow": {"percent": 100, "hold": "20s"},
        "steps": [{"weight": 20, "hold": "6s"}, {"weight": 50, "hold": "6s"}],
        "bake": "5s",
    }
}
"""Copies first, then steps."""
CANARY = {"canary": {"steps": [{"weight": 20, "hold": "20s"}, {"weight": 50, "hold": "20s"}], "bake": "10s"}}
BLUE_GREEN = {"blueGreen": {"hold": "5s", "bake": "2m"}}

ANALYSIS: dict[str, Any] = {
    "interval": "1s",
    "metrics": [
        {
            "name": "errors",
            "router": {"signal": "errorRate"},
            "threshold": {"max": 0.05, "minRequests": 20, "failures": 2},
        },
        {
            "name": "seconds",
            "router": {"signal": "latencySeconds", "quantile": 0.9},
            "threshold": {"max": 1, "minRequests": 20, "failures": 5},
        },
    ],
}
COMPARED = {
    **ANALYSIS,
    "metrics": [
        *ANALYSIS["metrics"],
        # An honestly better model differs from the first one in every twelfth answer or so.
        {"name": "same", "predictions": {"signal": "agreement"}, "agreement": {"min": 0.8}},
    ],
    "slices": [{"name": "light", "header": "x-light", "values": ["bright", "dark"]}],
    "predictions": {"keepExamples": True},
}
"""Where there are copies, the predictions of both versions are compared as well, also those in the dark alone."""

_SECURE = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_USER = {"runAsUser": 65532, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def labelled(namespace: str) -> dict[str, Any]:
    """Return a namespace of the demo."""
    key, _, value = OURS.partition("=")
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {key: value}}}


def pods(image: str, version: str, name: str = NAME) -> dict[str, Any]:
    """Return the pod template of a model's version: MLServer with its files."""
    return {
        "spec": {
            "containers": [
                {
                    "name": "model",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "env": [{"name": "MODEL_VERSION", "value": version}],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    # A busy machine must not make a model that works look as if it did not.
                    "readinessProbe": {
                        "httpGet": {"path": f"/v2/models/{name}/ready", "port": 8080},
                        "periodSeconds": 1,
                        "timeoutSeconds": 5,
                    },
                    "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}},
                    "securityContext": _SECURE,
                    # MLServer writes its metrics there.
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "securityContext": _USER,
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        }
    }


def model_deployment(image: str, version: str, strategy: Mapping[str, Any], drain: str) -> dict[str, Any]:
    """Return the ModelDeployment as the team's repository has it for a version."""
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 2,
            "model": {"name": NAME, "version": version, "protocol": "openInference"},
            "template": pods(image, version),
            "service": {"targetPort": 8080, "timeout": "10s", "drain": drain},
            "strategy": strategy,
            "analysis": COMPARED if "shadow" in strategy.get("canary", {}) else ANALYSIS,
        },
    }


def plain(image: str, version: str, drain: str) -> dict[str, Any]:
    """Return the same pods in a Deployment with a Service: as good as these get, with a pause before pods end."""
    template = pods(image, version)
    template["metadata"] = {"labels": {"app": NAME}}
    seconds = int(drain.removesuffix("s"))
    template["spec"]["terminationGracePeriodSeconds"] = seconds + 10
    template["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": seconds}}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": NAME}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return {"apiVersion": "v1", "kind": "List", "items": [deployment, service]}


def client(image: str, rate: int, requests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a pod that sends requests to the Service of its namespace, open-loop, and counts what it loses."""
    command = ["python3", "-m", "tests.traffic.client", NAME, "80", "--path", f"{PATH}/infer"]
    command += ["--rate", str(rate), "--connections", "24", "--live", "0.5", "--requests", "/requests/digits.jsonl"]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    data = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "requests"},
        "data": {"digits.jsonl": lines},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 15,
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": command,
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
                    "securityContext": _SECURE,
                    "volumeMounts": [{"name": "requests", "mountPath": "/requests"}],
                }
            ],
            "securityContext": _USER,
            "volumes": [{"name": "requests", "configMap": {"name": "requests"}}],
        },
    }
    return {"apiVersion": "v1", "kind": "List", "items": [data, pod]}
