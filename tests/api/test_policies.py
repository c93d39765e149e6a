"""The admission policies on a real API server: each lets through what it should and refuses what it should, in its own words."""

import json
import time

import pytest

from tests.api.test_manifests import OPERATOR, built, path_of

PODS = "/api/v1/namespaces/default/pods"
OBJECTS = "/apis/modelrollout.dev/v1alpha1/namespaces/default/modeldeployments"
ROLES = "/apis/rbac.authorization.k8s.io/v1"
MERGE = "application/merge-patch+json"
REQUEST = "modelrollout.dev/request"
DORA = "CORP\\dora"
SPEC = {
    "template": {"spec": {"containers": [{"name": "model", "image": "model:1"}]}},
    "service": {"targetPort": 8080},
    "strategy": {"blueGreen": {"hold": "1m"}},
}


def model_deployment(name, **metadata):
    return {
        "apiVersion": "modelrollout.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, **metadata},
        "spec": SPEC,
    }


def grant(server, name, user, rules):
    """Give a user rights in all namespaces."""
    metadata = {"name": name}
    api = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
    }
    for path, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        status, answer = server.request("POST", f"{ROLES}/{path}", body)
        assert status == 201, answer


@pytest.fixture(scope="module")
def guarded(server):
    """An API server on which the policies are at work."""
    for document in built("manifests/policies"):
        status, answer = server.apply(path_of(document), document)
        assert status in (200, 201), answer["message"]
    # More than the operator's own role gives: it is the policy that is asked here.
    grant(server, "everything-with-pods", OPERATOR, [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}])
    author = [{"apiGroups": ["modelrollout.dev"], "resources": ["*"], "verbs": ["*"]}]
    maker = [{"apiGroups": ["apps", ""], "resources": ["deployments", "services"], "verbs": ["create", "patch"]}]
    half = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create", "patch"]}]
    grant(server, "author", "ann", author)
    grant(server, "maker", "ben", author + maker)
    grant(server, "half", "cat", author + half)
    grant(server, "corp", DORA, author + maker)
    for name, component in (("router", "router"), ("model", "model")):
        labels = {"modelrollout.dev/component": component, "modelrollout.dev/name": "digits"}
        annotations = {"kept": "as it is"}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "it", "image": "it:1"}]},
        }
        status, answer = server.request("POST", PODS, pod)
        assert status == 201, answer
    wait_until_refused(server)
    yield server
    # The server is shared with tests of what the account may do without these.
    for document in reversed(built("manifests/policies")):
        server.request("DELETE", path_of(document))
    for name in ("everything-with-pods", "author", "maker", "half", "corp"):
        for kind in ("clusterrolebindings", "clusterroles"):
            assert server.request("DELETE", f"{ROLES}/{kind}/{name}")[0] == 200


def wait_until_refused(server):
    """The API server takes a moment to compile a new policy: all are at work once each has refused something."""
    end = time.monotonic() + 20
    claim = {REQUEST: '{"by": "somebody else"}'}
    tries = (
        ("PATCH", f"{PODS}/model?dryRun=All", {"metadata": {"annotations": {"a": "b"}}}, MERGE, OPERATOR),
        ("POST", f"{OBJECTS}?dryRun=All", model_deployment("probe", annotations=claim), "application/json", ""),
        ("POST", f"{OBJECTS}?dryRun=All", model_deployment("probe"), "application/json", "ann"),
    )
    while not all(server.request(*each)[0] in (403, 422) for each in tries):
        assert time.monotonic() < end, "the policies are not at work"
        time.sleep(0.1)


def patch(server, pod, body, **options):
    return server.request("PATCH", f"{PODS}/{pod}", body, kind=MERGE, user=OPERATOR, **options)


def test_the_operator_may_nudge_a_router(guarded):
    for value in ("1-abc", "2-def"):
        status, answer = patch(guarded, "router", {"metadata": {"annotations": {"modelrollout.dev/route": value}}})
        assert status == 200, answer
    assert answer["metadata"]["annotations"] == {"kept": "as it is", "modelrollout.dev/route": "2-def"}


@pytest.mark.parametrize(
    ("pod", "change", "words"),
    [
        ("model", {"metadata": {"annotations": {"modelrollout.dev/route": "1-abc"}}}, "pods of routers only"),
        ("router", {"metadata": {"annotations": {"other": "x"}}}, "one annotation"),
        ("router", {"metadata": {"annotations": {"kept": "changed"}}}, "one annotation"),
        ("router", {"metadata": {"annotations": {"kept": None}}}, "one annotation"),
        ("router", {"metadata": {"labels": {"modelrollout.dev/name": "other"}}}, "nothing of a router's pod"),
        ("router", {"metadata": {"labels": {"more": "x"}}}, "nothing of a router's pod"),
        ("router", {"metadata": {"finalizers": ["example.com/stay"]}}, "nothing of a router's pod"),
        ("router", {"spec": {"containers": [{"name": "it", "image": "evil:1"}]}}, "nothing of a router's pod"),
        ("router", {"spec": {"activeDeadlineSeconds": 1}}, "nothing of a router's pod"),
    ],
)
def test_the_operator_may_change_nothing_else_of_a_pod(guarded, pod, change, words):
    before = guarded.request("GET", f"{PODS}/{pod}")[1]
    status, answer = patch(guarded, pod, change)
    assert status in (403, 422), answer
    assert words in answer["message"]
    assert guarded.request("GET", f"{PODS}/{pod}")[1] == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {"metadata": {"name": "new"}, "spec": {"containers": [{"name": "it", "image": "it:1"}]}}),
        ("DELETE", "/router", None),
        ("PATCH", "/router/status", {"status": {"phase": "Failed"}}),
        ("POST", "/router/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "router"}}),
        ("POST", "/router/exec?command=id&container=it&stdout=true", None),
    ],
)
def test_the_operator_may_do_nothing_else_with_pods(guarded, method, path, body):
    kind = MERGE if method == "PATCH" else "application/json"
    status, answer = guarded.request(method, f"{PODS}{path}", body, kind=kind, user=OPERATOR)
    assert status in (403, 422), answer
    assert "existing pods only" in answer["message"]


def test_everybody_else_is_left_alone(guarded):
    status, answer = guarded.request(
        "PATCH", f"{PODS}/router?dryRun=All", {"metadata": {"labels": {"more": "x"}}}, kind=MERGE
    )
    assert status == 200, answer


@pytest.mark.parametrize(
    ("request_", "accepted"),
    [
        ('{"id": "1", "by": "ben"}', True),
        ('{"id":"1","by":"ben"}', True),
        ('{"id": "1", "by"\t:\n"ann"}', False),
        ('{"by": "ben", "by": "ben"}', False),
        ('{"id": "\\"by\\": \\"ben\\"", "by": "ann"}', False),
        ('{"id": "1"}', True),
        ('{"id": "1", "by": "ann"}', False),
        ('{"id": "1", "by": "not ben"}', False),
        ('{"by": "ann", "id": "1", "by": "ben"}', False),
        ('{"by": "ben", "id": "1", "by": "ann"}', False),
        ('{"id": "1", "by": null}', False),
        ('{"id": "1", "by": ["ben"]}', False),
        ('{"by": "ben", "\\u0062y": "ann"}', False),
        ('{"id": "1", "by": "a\\"ben"}', False),
    ],
)
def test_a_request_names_who_asks_or_nobody(guarded, request_, accepted):
    body = model_deployment("asked", annotations={REQUEST: request_})
    status, answer = guarded.request("POST", f"{OBJECTS}?dryRun=All", body, user="ben")
    assert (status == 201) == accepted, answer
    if not accepted:
        assert "The annotation modelrollout.dev/request must" in answer["message"]


@pytest.mark.parametrize(
    ("by", "accepted"), [(DORA, True), ("CORP\\ann", False), ("dora", False), ("CORP\\\\dora", False)]
)
def test_a_name_with_a_backslash_is_a_name(guarded, by, accepted):
    for separators in ((",", ":"), (", ", ": ")):
        text = json.dumps({"id": "1", "by": by}, separators=separators)
        body = model_deployment("asked", annotations={REQUEST: text})
        status, answer = guarded.request("POST", f"{OBJECTS}?dryRun=All", body, user=DORA)
        assert (status == 201) == accepted, answer


def test_a_request_that_stands_there_already_hinders_nobody(guarded):
    body = model_deployment("stands", annotations={REQUEST: '{"id": "1", "by": "ben"}'})
    assert guarded.request("POST", OBJECTS, body, user="ben")[0] == 201
    label = {"metadata": {"labels": {"touched": "by-ann"}}}
    status, answer = guarded.request("PATCH", f"{OBJECTS}/stands", label, kind=MERGE, user="ann")
    assert status == 200, answer
    forged = {"metadata": {"annotations": {REQUEST: '{"id": "2", "by": "ben"}'}}}
    assert guarded.request("PATCH", f"{OBJECTS}/stands", forged, kind=MERGE, user="ann")[0] in (403, 422)


@pytest.mark.parametrize(("user", "lacks"), [("ann", "Deployments"), ("cat", "Services")])
def test_a_spec_needs_the_rights_of_what_it_makes(guarded, user, lacks):
    status, answer = guarded.request("POST", f"{OBJECTS}?dryRun=All", model_deployment("mine"), user=user)
    assert status in (403, 422), answer
    assert f"patch {lacks} in its namespace" in answer["message"]
    assert guarded.request("POST", f"{OBJECTS}?dryRun=All", model_deployment("mine"), user="ben")[0] == 201


def test_an_abort_needs_no_right_to_make_anything(guarded):
    assert guarded.request("POST", OBJECTS, model_deployment("abortable"), user="ben")[0] == 201
    abort = {"metadata": {"annotations": {"modelrollout.dev/abort": "0123456789/1"}}}
    status, answer = guarded.request("PATCH", f"{OBJECTS}/abortable", abort, kind=MERGE, user="ann")
    assert status == 200, answer
    change = {"spec": {"replicas": 2}}
    assert guarded.request("PATCH", f"{OBJECTS}/abortable", change, kind=MERGE, user="ann")[0] in (403, 422)
