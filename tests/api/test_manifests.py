"""The manifests as a real API server sees them: built by kubectl, accepted, and the account may do what it needs and no more."""

import functools
import subprocess
from pathlib import Path

import pytest
import yaml

from modelrollout.adapters.kinds import KINDS, Kind
from modelrollout.adapters.rbac import OWN, SERVED
from modelrollout.cli.manifests import ACCOUNT, NAMESPACE
from tests.cluster.build import program

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "manifests" / "install.yaml"
BUILT = (
    "crds",
    "manifests",
    "manifests/base",
    "manifests/overlays/namespaced",
    "manifests/policies",
    "manifests/router-network",
    "tests/e2e/manifests",
)
NEED_OTHER_CRDS = ("manifests/prometheus",)
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
NEVER = (
    ("", "secrets"),
    ("", "pods/exec"),
    ("", "pods/ephemeralcontainers"),
    ("", "serviceaccounts"),
    ("", "serviceaccounts/token"),
    ("", "namespaces"),
    ("apps", "statefulsets"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("modelrollout.dev", "modeldeployments/finalizers"),
)
PATHS = {
    **KINDS,
    "Namespace": Kind("v1", "namespaces"),
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "CustomResourceDefinition": Kind("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    **{
        kind: Kind("rbac.authorization.k8s.io/v1", f"{kind.lower()}s")
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    },
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
    "ValidatingAdmissionPolicy": Kind("admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": Kind("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings"),
}


@functools.cache
def _built(directory):
    words = [program("kube"), "kubectl", "kustomize", ROOT / directory]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def built(directory):
    """The objects that kubectl makes of a directory."""
    return list(yaml.load_all(_built(directory), yaml.CSafeLoader))


def path_of(document):
    metadata = document["metadata"]
    return PATHS[document["kind"]].path(metadata.get("namespace", ""), metadata["name"])


def identity(document):
    return document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]


def allowed(server, group, resource, verb, *, namespace, name=""):
    resource, _, subresource = resource.partition("/")
    attributes = {"group": group, "resource": resource, "subresource": subresource, "verb": verb, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": OPERATOR, "resourceAttributes": {**attributes, "namespace": namespace}},
    }
    status, answer = server.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert status == 201, answer
    return answer["status"]["allowed"]


@pytest.fixture(scope="module")
def installed(server):
    """An API server on which manifests/base is applied."""
    for document in built("manifests/base"):
        status, answer = server.apply(path_of(document), document, force="true")
        assert status in (200, 201), answer["message"]
    return server


@pytest.mark.parametrize("directory", BUILT)
def test_what_kubectl_builds_is_accepted(installed, directory):
    for document in built(directory):
        namespaced = document["metadata"].setdefault("namespace", "default") if _is_namespaced(document) else ""
        if namespaced and namespaced != NAMESPACE:
            # What is installed into a team's namespace: one that is there.
            document["metadata"]["namespace"] = "default"
        status, answer = installed.apply(path_of(document), document, dryRun="All", force="true")
        assert status in (200, 201), answer["message"]


def _is_namespaced(document):
    kind = document["kind"]
    return kind not in ("Namespace", "CustomResourceDefinition") and not kind.startswith(("Cluster", "Validating"))


@pytest.mark.parametrize("directory", NEED_OTHER_CRDS)
def test_what_needs_other_operators_is_built(directory):
    assert built(directory)


def test_the_one_file_is_the_base():
    documents = list(yaml.load_all(INSTALL.read_text(encoding="utf-8"), yaml.CSafeLoader))
    base = built("manifests/base")
    assert sorted(map(identity, documents)) == sorted(map(identity, base))
    assert {identity(each): each for each in documents} == {identity(each): each for each in base}


def test_the_one_file_can_be_applied_from_top_to_bottom():
    kinds = [each["kind"] for each in yaml.load_all(INSTALL.read_text(encoding="utf-8"), yaml.CSafeLoader)]
    assert kinds[:2] == ["Namespace", "CustomResourceDefinition"]


@pytest.mark.parametrize(
    "right", [*SERVED, *OWN], ids=lambda right: f"{right.resource}-{'-'.join(right.names) or 'all'}"
)
def test_the_account_may_do_what_the_table_says_and_no_more(installed, right):
    own = right in OWN
    mine = [each for each in (OWN if own else SERVED) if each.resource == right.resource]
    for verb in VERBS:
        named = [each for each in mine if verb in each.verbs]
        name = next((name for each in named for name in each.names), "")
        place = NAMESPACE if own else "default"
        assert allowed(installed, right.group, right.resource, verb, namespace=place, name=name) == bool(named), verb
        if own:
            assert not allowed(installed, right.group, right.resource, verb, namespace="default", name=name), verb
            assert not allowed(installed, right.group, right.resource, "update", namespace=place, name="another"), verb


@pytest.mark.parametrize(("group", "resource"), NEVER)
def test_the_account_can_never_touch(installed, group, resource):
    assert not any(allowed(installed, group, resource, verb, namespace="default") for verb in VERBS)


def test_the_overlay_gives_the_same_rights_in_one_namespace_and_none_outside():
    documents = built("manifests/overlays/namespaced")
    assert not any(each["kind"].startswith("ClusterRole") for each in documents)
    places = {each["metadata"]["namespace"] for each in documents if _is_namespaced(each)}
    assert len(places) == 1
    roles = [each for each in documents if each["kind"] == "Role"]
    granted = {
        (rule["apiGroups"][0], rule["resources"][0], verb)
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
    }
    assert granted == {(each.group, each.resource, verb) for each in (*SERVED, *OWN) for verb in each.verbs}


def test_the_overlay_never_removes_a_teams_namespace():
    assert "Namespace" not in {each["kind"] for each in built("manifests/overlays/namespaced")}


def test_the_collectors_image_follows_the_operators():
    (deployment,) = (each for each in built("tests/e2e/manifests") if identity(each)[::2] == ("Deployment", ACCOUNT))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings = {setting["name"]: setting.get("value") for setting in container["env"]}
    assert settings["MODELROLLOUT_COLLECTOR_IMAGE"] == container["image"] == "localhost/modelrollout-operator:dev"
