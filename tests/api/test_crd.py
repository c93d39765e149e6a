"""The CRD beyond single mistakes: what is stored is what was written, and what may not change does not."""

import copy
from pathlib import Path

import pytest

from modelrollout.api.modeldeployment import hashed_content
from modelrollout.api.validate import parse_object
from modelrollout.cli.documents import read_documents
from modelrollout.names import revision_name

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
OBJECTS = "/apis/modelrollout.dev/v1alpha1/namespaces/default/modeldeployments"
MERGE = "application/merge-patch+json"


def example(name):
    (document,) = read_documents(str(ROOT / "manifests" / "examples" / f"{name}.yaml"))
    return document


@pytest.fixture
def stored(server):
    """Store an object, and remove it afterwards."""
    names = []

    def store(document, name):
        body = copy.deepcopy(document)
        body["metadata"]["name"] = name
        names.append(name)
        status, answer = server.request("POST", OBJECTS, body)
        assert status == 201, answer["message"]
        return answer

    yield store
    for name in names:
        assert server.request("DELETE", f"{OBJECTS}/{name}")[0] == 200


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_servers_defaults_make_no_new_revision(stored, file):
    (document,) = read_documents(str(file))
    written, _ = parse_object(document)
    kept, problems = parse_object(stored(document, document["metadata"]["name"]))
    assert problems == ()
    assert revision_name(hashed_content(kept)) == revision_name(hashed_content(written))
    assert kept == written


def test_a_preset_is_enough_and_its_metrics_are_not_written_into_the_object(stored):
    document = example("canary-preset")
    del document["spec"]["analysis"]["metrics"]
    kept = stored(document, "preset-alone")
    assert "metrics" not in kept["spec"]["analysis"]
    spec, problems = parse_object(kept)
    assert problems == ()
    assert len(spec.analysis.metrics) == 6


def test_neither_metrics_nor_a_preset_is_refused_also_when_the_preset_is_taken_away(server, stored):
    document = example("canary-preset")
    del document["spec"]["analysis"]["metrics"]
    stored(document, "preset-gone")
    change = {"spec": {"analysis": {"preset": None}}}
    status, answer = server.request("PATCH", f"{OBJECTS}/preset-gone", change, kind=MERGE)
    assert status == 422
    assert "is empty, so nothing would be measured" in answer["message"]


def test_a_template_is_kept_as_it_is(stored):
    document = example("canary")
    template = document["spec"]["template"]
    template["spec"]["fieldOfTheNextRelease"] = {"quantity": "1000m", "empty": {}, "list": [], "zero": 0}
    template["metadata"] = {"labels": {"app": "digits"}, "annotations": {"a": "b"}, "name": "ignored"}
    assert stored(document, "kept")["spec"]["template"] == template


def test_the_router_cannot_be_changed_to_another(server, stored):
    stored(example("canary-direct"), "mover")
    status, answer = server.request(
        "PATCH", f"{OBJECTS}/mover", {"spec": {"traffic": {"direct": None, "envoy": {}}}}, kind=MERGE
    )
    assert status == 422
    assert "spec.traffic: Invalid value" in answer["message"]
    assert "cannot be changed to another router. Make a new ModelDeployment with the other one." in answer["message"]


def test_settings_of_the_router_can_be_changed(server, stored):
    stored(example("canary"), "router")
    change = {"spec": {"traffic": {"envoy": {"replicas": 3, "previewHeader": "x-model-version"}}}}
    status, answer = server.request("PATCH", f"{OBJECTS}/router", change, kind=MERGE)
    assert status == 200, answer["message"]


def test_an_autoscaler_scales_it(server, stored):
    stored(example("canary"), "scaled")
    status, _ = server.request("PATCH", f"{OBJECTS}/scaled/scale", {"spec": {"replicas": 7}}, kind=MERGE)
    assert status == 200
    said = {"replicas": 3, "selector": "modelrollout.dev/name=scaled,modelrollout.dev/revision=0123456789"}
    status, answer = server.request("PATCH", f"{OBJECTS}/scaled/status", {"status": said}, kind=MERGE)
    assert status == 200, answer
    scale = server.request("GET", f"{OBJECTS}/scaled/scale")[1]
    assert scale["spec"] == {"replicas": 7}
    assert scale["status"] == {"replicas": 3, "selector": said["selector"]}
    assert server.request("GET", f"{OBJECTS}/scaled")[1]["spec"]["replicas"] == 7


def test_a_status_is_not_written_with_the_spec(server, stored):
    answer = stored({**example("canary"), "status": {"phase": "Ready", "stable": "0123456789"}}, "spec-only")
    assert "status" not in answer
    server.request("PATCH", f"{OBJECTS}/spec-only", {"status": {"phase": "Ready"}}, kind=MERGE)
    assert "status" not in server.request("GET", f"{OBJECTS}/spec-only")[1]


def test_a_status_has_no_defaults(server, stored):
    stored(example("canary"), "bare")
    said = {"phase": "Installing", "observedGeneration": 1}
    assert server.request("PATCH", f"{OBJECTS}/bare/status", {"status": said}, kind=MERGE)[1]["status"] == said


def test_every_field_is_explained(server):
    """What `kubectl explain` shows."""
    schema = server.request("GET", "/openapi/v3/apis/modelrollout.dev/v1alpha1")[1]
    parts = schema["components"]["schemas"]["dev.modelrollout.v1alpha1.ModelDeployment"]["properties"]
    missing = [path for part in ("spec", "status") for path in undescribed(parts[part], part)]
    assert missing == []


def undescribed(node, path):
    if not node.get("description"):
        yield path
    for name, field in node.get("properties", {}).items():
        yield from undescribed(field, f"{path}.{name}")
    if node.get("type") == "array" and "properties" in node["items"]:
        yield from undescribed(node["items"], f"{path}[]")
