"""What holds for every router: what it renders can be read back, and what would hurt clients is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from kubernetes.aio import client
from pydantic import ValidationError

from modelrollout.api.modeldeployment import ROUTERS
from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import Capture, Extraction, Observed
from modelrollout.domain.observation import Limits
from modelrollout.domain.revision import Revision
from modelrollout.domain.route import Arm, Mirror, Route, RouteAsk
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.errors import RenderError, SourceError
from modelrollout.names import LABEL_NAME, revision_name
from modelrollout.resources.owner import owner_references
from modelrollout.resources.revision import build_revision
from modelrollout.routers._base import Setup
from tests.conformance.plugins import with_configs

CONFIGS = with_configs(ROUTERS)


def revision(number: int) -> Revision:
    content = {"template": {"spec": {"containers": [{"name": "m", "image": f"m:{number}"}]}}, "targetPort": 8080}
    return build_revision(content, Limits())


REVISIONS = {one.name: one for one in map(revision, range(3))}
ONE, TWO, THREE = REVISIONS
LONGEST = "a" * 40
OWNER = owner_references(LONGEST, "uid", orphan=False)
SETUP = Setup(LONGEST, "ml", OWNER, "clients", 80, REVISIONS, 4, Limits())


def ask(
    serial: int = 7, *, mirror: int = 0, preview: str | None = None, more: tuple[str, ...] = (), **weights: int
) -> RouteAsk:
    names = dict(zip(("one", "two", "three"), REVISIONS, strict=True))
    route = Route(
        arms=tuple(Arm(revision=names[name], weight=weight) for name, weight in weights.items()),
        mirrors=(Mirror(revision=THREE, percent=mirror),) if mirror else (),
        preview=preview,
    )
    return RouteAsk(serial=serial, route=route, clusters=tuple(sorted({*route.clusters(), *more})))


def asks(plugin: Any) -> list[RouteAsk]:
    """Return asks of every form that the router can be given."""
    found = [ask(one=100), ask(one=100, more=(TWO,)), ask(two=100, serial=1), ask(one=75, two=25)]
    if Capability.MIRROR in plugin.capabilities:
        found += [ask(one=100, mirror=20), ask(one=50, two=50, mirror=100), ask(one=34, two=33, three=33)]
    if Capability.PREVIEW in plugin.capabilities:
        found.append(ask(one=100, preview=TWO))
    return found


def carrier(plugin: Any, config: Any, asked: RouteAsk, setup: Setup = SETUP) -> dict[str, Any]:
    body: dict[str, Any] = plugin.objects(config, setup, asked)[-1]
    return body


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_is_rendered_is_read_back(plugin: Any, config: Any) -> None:
    for asked in asks(plugin):
        stored = json.loads(json.dumps(carrier(plugin, config, asked)))
        assert plugin.read(stored) == asked


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_it_did_not_write_holds_no_ask(plugin: Any, config: Any) -> None:
    rendered = carrier(plugin, config, ask(one=100))
    bare = {key: rendered[key] for key in ("apiVersion", "kind")}
    assert plugin.read({**bare, "metadata": {"name": "x"}}) is None
    broken = json.loads(json.dumps(rendered).replace("serial", "cereal"))
    assert plugin.read(broken) is None


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_the_carrier_comes_last_and_is_the_only_object_that_a_route_changes(plugin: Any, config: Any) -> None:
    key = plugin.carrier(SETUP.name, SETUP.service_name)
    rendered = [plugin.objects(config, SETUP, asked) for asked in asks(plugin)]
    for objects in rendered:
        keys = [(body["kind"], body["metadata"]["name"]) for body in objects]
        assert keys[-1] == key
        assert len(set(keys)) == len(keys)
        assert objects[:-1] == rendered[0][:-1], "a change of weight restarts nothing"


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_its_objects_are_ours_and_such_as_kubernetes_knows(plugin: Any, config: Any) -> None:
    for body in plugin.objects(config, SETUP, ask(one=100)):
        metadata = body["metadata"]
        assert metadata["namespace"] == SETUP.namespace
        assert metadata["labels"][LABEL_NAME] == SETUP.name
        assert metadata["ownerReferences"] == list(OWNER)
        assert len(metadata["name"]) <= 63
        model = getattr(client, f"V1{body['kind']}")
        model.model_validate(body)
        if "spec" in body:
            with pytest.raises(ValidationError):
                model.model_validate({**body, "spec": {**body["spec"], "selecter": {}}})
    orphaned = plugin.objects(config, replace(SETUP, owner=()), ask(one=100))
    assert not any("ownerReferences" in body["metadata"] for body in orphaned)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_rendering_is_the_same_each_time(plugin: Any, config: Any) -> None:
    for asked in asks(plugin):
        backwards = replace(SETUP, revisions=dict(reversed(REVISIONS.items())))
        assert plugin.objects(config, SETUP, asked) == plugin.objects(config, backwards, asked)
        assert plugin.version(config, SETUP, asked) == plugin.version(config, backwards, asked)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_version_begins_with_the_serial_and_is_another_for_another_content(plugin: Any, config: Any) -> None:
    for asked in asks(plugin):
        version = plugin.version(config, SETUP, asked)
        assert version.split("-")[0] == str(asked.serial)
        assert plugin.version(config, SETUP, asked.model_copy(update={"serial": asked.serial + 1})) != version
        assert plugin.version(config, replace(SETUP, service_port=81, service_name="x"), asked) == version
    if Capability.VERIFY in plugin.capabilities:
        same = [asked.model_copy(update={"serial": 1}) for asked in asks(plugin) if not asked.route.preview]
        assert len({plugin.version(config, SETUP, asked) for asked in same}) == len(same)


CAPTURE = Capture(stable=ONE, candidate=THREE, baseline=20, extractions=(Extraction(path="predictions[0]"),))

OBSERVED = tuple(CAPTURE.model_copy(update={"observed": Observed(percent=percent)}) for percent in (5, 50))


@pytest.mark.parametrize(
    ("plugin", "config"), [case for case in CONFIGS if Capability.CAPTURE in case.values[0].capabilities]
)
def test_what_is_captured_is_told_with_the_route_and_restarts_nothing(plugin: Any, config: Any) -> None:
    nobody = CAPTURE.model_copy(update={"stable": None, "candidate": None})
    captures = (None, nobody, CAPTURE, CAPTURE.model_copy(update={"percent": 1}), *OBSERVED)
    for asked in asks(plugin):
        rendered = [plugin.objects(config, replace(SETUP, capture=capture), asked) for capture in captures]
        assert all(objects[:-1] == rendered[1][:-1] for objects in rendered[2:]), "a rollout changes none of it"
        assert {str(plugin.read(objects[-1])) for objects in rendered} == {str(asked)}
        versions = {plugin.version(config, replace(SETUP, capture=capture), asked) for capture in captures}
        assert len(versions) == len(captures)


BAD = {
    "no clusters": RouteAsk(serial=1, route=Route(arms=(Arm(revision=ONE, weight=100),)), clusters=()),
    "no arms": RouteAsk(serial=1, route=Route(), clusters=(ONE,)),
    "99 in sum": ask(one=74, two=25),
    "101 in sum": ask(one=76, two=25),
    "an arm with weight 0": ask(one=100, two=0),
    "a route without its cluster": ask(one=50, two=50).model_copy(update={"clusters": (ONE,)}),
    "a mirror without its cluster": ask(one=100, mirror=5).model_copy(update={"clusters": (ONE,)}),
    "an arm twice": RouteAsk(
        serial=1, route=Route(arms=(Arm(revision=ONE, weight=50), Arm(revision=ONE, weight=50))), clusters=(ONE,)
    ),
    "a cluster twice": ask(one=100).model_copy(update={"clusters": (ONE, ONE)}),
    "an unknown revision": ask(one=100, more=(revision_name({"un": "known"}),)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=list(BAD))
@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_an_ask_that_would_hurt_clients_is_refused(plugin: Any, config: Any, bad: RouteAsk) -> None:
    with pytest.raises(RenderError, match=rf"The route of ml/{LONGEST} was not written: "):
        plugin.objects(config, SETUP, bad)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_more_weight_never_needs_fewer_pods_and_none_needs_none(plugin: Any, config: Any) -> None:
    for replicas in (1, 3, 4, 10):
        sizes = [
            plugin.candidate_size(config, replicas, Stage(StageKind.STEP, "", weight)) for weight in (0, 1, 25, 50, 75)
        ]
        assert sizes == sorted(sizes)
        assert sizes[0] >= 1
        full = Stage(StageKind.FULL, "", 100, full_size=True)
        preview = Stage(StageKind.PREVIEW, "", 0, full_size=True)
        assert (
            plugin.candidate_size(config, replicas, full)
            == plugin.candidate_size(config, replicas, preview)
            == replicas
        )


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_it_cannot_honour_is_named_by_a_path_in_the_spec(plugin: Any, config: Any) -> None:
    stages = (Stage(StageKind.STEP, "step 1/2", 7), Stage(StageKind.STEP, "step 2/2", 99, replicas=2))
    for problem in plugin.problems(config, 3, stages):
        assert problem.path.startswith("spec.")
        assert problem.remedy.endswith(".")
    plain = (Stage(StageKind.PREVIEW, "preview", full_size=True), Stage(StageKind.FULL, "full", 100, full_size=True))
    assert plugin.problems(config, 3, plain) == (), "blue-green works with every router"


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_it_says_what_it_can_do_and_keeps_to_it(plugin: Any, config: Any) -> None:
    assert plugin.capabilities <= set(Capability)
    assert bool(plugin.status_path) is bool(plugin.status_port) is (Capability.VERIFY in plugin.capabilities)
    if Capability.PREVIEW not in plugin.capabilities:
        assert not plugin.previews(config)
    assert (Capability.SIGNALS in plugin.capabilities) <= (Capability.VERIFY in plugin.capabilities)


@pytest.mark.parametrize("page", ["no healthy upstream\n", "<html></html>\n", "envoy_cluster_membership_total{"])
@pytest.mark.parametrize(
    "plugin", [plugin for plugin in ROUTERS.values() if plugin.status_port], ids=lambda plugin: plugin.name
)
def test_a_status_page_that_is_none_is_an_error_and_an_empty_one_acknowledges_nothing(plugin: Any, page: str) -> None:
    with pytest.raises(SourceError):
        plugin.parse(page)
    assert plugin.parse("").version is None
