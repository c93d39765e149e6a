"""The manifests by themselves: nothing in them contradicts the code, the docs or each other."""

import re
from pathlib import Path

import pytest
import yaml

from modelrollout.adapters.rbac import LEASE
from modelrollout.api.modeldeployment import ROUTERS, SOURCES, STRATEGIES
from modelrollout.api.validate import parse_object
from modelrollout.cli.documents import read_documents
from modelrollout.controller.run import DRAIN
from modelrollout.domain.capture import LABELS_PORT
from modelrollout.names import ANNOTATION_NUDGE, ANNOTATION_REQUEST, COMPONENT_ROUTER, LABEL_COMPONENT, LABEL_NAME
from modelrollout.routers._envoy_bootstrap import HTTP_PORT, STATUS_PORT
from modelrollout.settings import Settings

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
EXAMPLES = sorted((MANIFESTS / "examples").glob("*.yaml"))
DOCS = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")}


def load(path):
    (document,) = yaml.safe_load_all((MANIFESTS / path).read_text(encoding="utf-8"))
    return document


DEPLOYMENT = load("base/deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def test_the_operator_may_do_nothing_on_its_node():
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & POD.keys()
    assert load("base/namespace.yaml")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_lives_long_enough_to_give_the_lease_back():
    assert POD["terminationGracePeriodSeconds"] > DRAIN + 10


def test_an_update_never_leaves_nobody():
    assert DEPLOYMENT["spec"]["replicas"] == 2
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_port_is_the_one_that_the_settings_say():
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == Settings().http_port
    assert {CONTAINER[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }
    assert {CONTAINER[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} == {port["name"]}
    assert load("base/service.yaml")["spec"]["ports"][0]["targetPort"] == port["name"]
    assert load("base/networkpolicy.yaml")["spec"]["ingress"][0]["ports"] == [{"port": port["name"]}]


def test_everything_selects_the_operators_pods():
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        POD["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        load("base/service.yaml")["spec"]["selector"],
        load("base/poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"],
        load("base/networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"],
        load("router-network/networkpolicy.yaml")["spec"]["ingress"][1]["from"][0]["podSelector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)


def test_the_collector_is_in_the_operators_image():
    settings = {setting["name"]: setting.get("value") for setting in CONTAINER["env"]}
    assert settings["MODELROLLOUT_COLLECTOR_IMAGE"] == CONTAINER["image"] == Settings().collector_image


def test_every_setting_in_a_manifest_exists():
    known = {f"MODELROLLOUT_{name.upper()}" for name in Settings.model_fields}
    for file in [
        *MANIFESTS.rglob("*.yaml"),
        *(ROOT / "tests" / "e2e" / "manifests").rglob("*.yaml"),
        *(ROOT / "docs").glob("*.md"),
    ]:
        assert set(re.findall(r"MODELROLLOUT_[A-Z_]+", file.read_text(encoding="utf-8"))) <= known, file


def test_the_routers_network_policy_knows_the_routers_ports():
    spec = load("router-network/networkpolicy.yaml")["spec"]
    assert spec["podSelector"]["matchLabels"] == {LABEL_COMPONENT: COMPONENT_ROUTER}
    clients, status = spec["ingress"]
    assert clients == {"ports": [{"port": HTTP_PORT}, {"port": LABELS_PORT}]}
    assert status["ports"] == [{"port": STATUS_PORT}]
    assert len(status["from"]) == 2


def test_the_policies_speak_of_our_annotations():
    texts = {
        name: (MANIFESTS / "policies" / f"{name}.yaml").read_text(encoding="utf-8")
        for name in ("operator-pods", "true-requester")
    }
    assert f"'{ANNOTATION_NUDGE}'" in texts["operator-pods"]
    assert f"'{LABEL_COMPONENT}'" in texts["operator-pods"]
    assert f"'{ANNOTATION_REQUEST}'" in texts["true-requester"]


def test_every_policy_denies():
    for file in (MANIFESTS / "policies").glob("*-*.yaml"):
        policy, binding = yaml.safe_load_all(file.read_text(encoding="utf-8"))
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
        assert policy["metadata"]["name"] in DOCS["security.md"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_valid(file):
    (document,) = read_documents(str(file))
    spec, problems = parse_object(document)
    assert problems == ()
    assert spec is not None


def test_there_is_an_example_of_everything_that_can_be_chosen():
    specs = [parse_object(document)[0] for file in EXAMPLES for document in read_documents(str(file))]
    assert {spec.strategy.chosen()[0].name for spec in specs} == STRATEGIES.keys()
    assert {spec.router()[0].name for spec in specs} == ROUTERS.keys()
    assert {metric.source()[0].name for spec in specs for metric in spec.analysis.metrics} == SOURCES.keys()


def test_moving_in_names_what_routers_carry():
    page = DOCS["moving-in.md"]
    assert f'"{LABEL_NAME}": "digits-model", "{LABEL_COMPONENT}": "{COMPONENT_ROUTER}"' in page
    assert f'"/spec/ports/0/targetPort", "value": {HTTP_PORT}' in page


def test_the_docs_name_the_lease_of_the_role():
    assert f"named `{LEASE}`" in DOCS["security.md"]


def test_every_manifest_is_spoken_of():
    told = "\n".join(DOCS.values())
    for directory in (
        "manifests/base",
        "manifests`",
        "manifests/policies",
        "manifests/router-network",
        "manifests/prometheus",
    ):
        assert f"-k {directory}" in told
    for file in ("manifests/install.yaml", "manifests/argocd/argocd-cm.yaml", "manifests/overlays/namespaced"):
        assert file in told
