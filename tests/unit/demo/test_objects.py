import pytest
import yaml

from modelrollout.api.modeldeployment import hashed_content
from modelrollout.api.validate import parse_object
from modelrollout.names import revision_name
from tests.demo.models.digits import halves, requests
from tests.demo.objects import BLUE_GREEN, CANARY, CAREFUL, client, model_deployment, plain
from tests.demo.place import ROOT, operator
from tests.traffic.command import _parser

VERSIONS = ("v1", "v2-rc1", "v2-rc2", "v2", "v3", "v4")


@pytest.mark.parametrize("strategy", [CAREFUL, CANARY, BLUE_GREEN])
def test_what_the_demo_applies_is_valid(strategy):
    spec, problems = parse_object(model_deployment("image:dev", "v1", strategy, "3s"))

    assert problems == ()
    assert spec is not None


def test_each_version_is_a_revision_and_a_strategy_makes_none():
    made = {}
    for version in VERSIONS:
        for strategy in (CAREFUL, CANARY, BLUE_GREEN):
            spec, _ = parse_object(model_deployment("image:dev", version, strategy, "3s"))
            made.setdefault(version, set()).add(revision_name(hashed_content(spec)))

    assert [len(revisions) for revisions in made.values()] == [1] * len(VERSIONS)
    assert len(set.union(*made.values())) == len(VERSIONS)


def test_the_plain_deployment_runs_the_very_same_container_with_a_pause_before_it_ends():
    ours = model_deployment("image:dev", "v3", CANARY, "35s")["spec"]["template"]["spec"]["containers"][0]
    deployment, service = plain("image:dev", "v3", "35s")["items"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    assert container.pop("lifecycle") == {"preStop": {"sleep": {"seconds": 35}}}
    assert container == ours
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 35
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_the_client_understands_its_command_and_the_requests_fit_into_a_config_map():
    samples = list(requests())
    data, pod = client("image:dev", 100, samples)["items"]
    program, _, module, *options = pod["spec"]["containers"][0]["command"]

    assert (program, module) == ("python3", "tests.traffic.client")
    assert _parser().parse_args(options).rate == 100
    assert len(yaml.safe_dump(data)) < 1024 * 1024
    assert len(data["data"]["digits.jsonl"].splitlines()) == len(samples) == len(halves()[1])


def test_no_client_asks_about_a_digit_that_a_model_has_seen():
    learn, held_out, _, _ = halves()

    assert not {tuple(image) for image in learn} & {tuple(image) for image in held_out}


def test_images_of_a_registry_reach_the_operator_and_its_router():
    images = {
        "operator": "example.org:5000/me/modelrollout-operator:0.1.0",
        "router": "example.org:5000/me/router:0.1.0",
    }
    found = operator(images)

    assert found["images"] == [
        {"name": "modelrollout-operator", "newName": "example.org:5000/me/modelrollout-operator", "newTag": "0.1.0"}
    ]
    patch = yaml.safe_load(found["patches"][0]["patch"])
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    values = {setting["name"]: setting["value"] for setting in container["env"]}
    assert values["MODELROLLOUT_ROUTER_IMAGE"] == images["router"]
    assert values["MODELROLLOUT_COLLECTOR_IMAGE"] == images["operator"]
    base = yaml.safe_load((ROOT / "manifests/base/deployment.yaml").read_text())
    assert patch["metadata"].items() <= base["metadata"].items()
    assert {"name": "operator", "image": "modelrollout-operator:0.1.0"}.items() <= base["spec"]["template"]["spec"][
        "containers"
    ][0].items()
