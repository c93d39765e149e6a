"""What is rendered where labels are taken, and that nothing changes where none are."""

import hashlib
import json
from dataclasses import replace

import pytest

from modelrollout.domain.capture import LABELS_PORT, Extraction, Labelled
from modelrollout.routers._base import SecretKey
from modelrollout.routers.envoy import PLUGIN, EnvoyConfig
from tests.unit.routers.test_capture import CAPTURE, PLAIN, SETUP, SHADOW, files, template

LABELLED = replace(
    SETUP,
    capture=CAPTURE.model_copy(update={"labelled": Labelled(output=Extraction())}),
    labels=SecretKey("feedback", "token"),
)


def services(setup):
    found = (body for body in PLUGIN.objects(EnvoyConfig(), setup, SHADOW) if body["kind"] == "Service")
    return {body["metadata"]["name"]: body["spec"] for body in found}


def test_without_labels_the_pods_and_the_file_are_as_ever():
    text = json.dumps([template(SETUP), files(SETUP, SHADOW)["capture.json"]], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "1270a15b1a2a855f"
    assert services(SETUP).keys() == services(PLAIN).keys() == {"digits"}


def test_labels_are_taken_at_a_service_that_names_every_router():
    found = services(LABELLED)["digits-labels"]
    assert (found["clusterIP"], found["selector"]) == ("None", services(LABELLED)["digits"]["selector"])
    assert [port["port"] for port in found["ports"]] == [LABELS_PORT]


def test_the_token_is_mounted_for_the_collector_alone_and_its_lack_keeps_no_router_from_starting():
    pod = template(LABELLED)["spec"]
    envoy, collector = pod["containers"]
    assert envoy == template(SETUP)["spec"]["containers"][0]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "labels")
    items = [{"key": "token", "path": "token"}]
    assert volume["secret"] == {"secretName": "feedback", "items": items, "optional": True}
    (mount,) = (mount for mount in collector["volumeMounts"] if mount["name"] == "labels")
    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/labels", True)
    assert [port["containerPort"] for port in collector["ports"]] == [LABELS_PORT]
    assert [item["value"] for item in collector["env"]] == ["digits-labels.ml.svc.cluster.local."]


@pytest.mark.parametrize("labels", [None, SecretKey("other", "token"), SecretKey("feedback", "key")])
def test_another_secret_is_another_pod(labels):
    assert template(replace(LABELLED, labels=labels)) != template(LABELLED)


def test_no_route_and_no_limit_of_labels_restarts_a_router():
    more = LABELLED.capture.labelled.model_copy(update={"kept": 100, "rate": 5})
    other = replace(LABELLED, capture=LABELLED.capture.model_copy(update={"labelled": more}))
    assert template(other) == template(LABELLED)
    assert files(other, SHADOW)["capture.json"] != files(LABELLED, SHADOW)["capture.json"]
