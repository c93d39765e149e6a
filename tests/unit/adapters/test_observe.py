import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from modelrollout.adapters.children import Children
from modelrollout.adapters.observe import Observer, Polled
from modelrollout.adapters.reading import read_pod
from modelrollout.api.modeldeployment import hashed_content
from modelrollout.api.validate import parse_spec
from modelrollout.domain.observation import Limits, PodSeen, RouterPodSeen
from modelrollout.domain.route import Arm, Route, RouteAsk
from modelrollout.domain.status import Rollout, Status
from modelrollout.errors import RolloutError, UnavailableError
from modelrollout.resources.revision import build_revision
from modelrollout.routers.direct import ANNOTATION_ASK
from tests.unit.adapters.test_pods import pod

KEY = ("a", "d")
EXAMPLES = Path(__file__).parents[3] / "manifests" / "examples"
SPEC = yaml.safe_load((EXAMPLES / "canary-direct.yaml").read_text())["spec"]
REVISION = build_revision(hashed_content(parse_spec(SPEC, {"name": "d", "namespace": "a"})[0]), Limits())
REV = REVISION.name
OURS = {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelDeployment", "name": "d", "uid": "parent"}


def child(kind, name, *, owner=OURS, label="d", manager="modelrollout", version="1", **content):
    metadata = {"name": name, "namespace": "a", "uid": f"uid-{kind}-{name}", "resourceVersion": version}
    metadata["labels"] = {"modelrollout.dev/name": label}
    metadata["managedFields"] = [{"manager": manager, "operation": "Apply"}]
    if owner:
        metadata["ownerReferences"] = [owner]
    return {"kind": kind, "metadata": metadata, **content}


def snapshot(revision=REVISION, **options):
    return child("ControllerRevision", f"d-{revision.name}", data=revision.snapshot(), revision=1, **options)


def report_map():
    found = child("ConfigMap", f"d-report-{REV}-1", data={"report.md": "x" * 1000})
    found["metadata"]["labels"]["modelrollout.dev/component"] = "report"
    return found


class World:
    """An API server that can be asked for one object at a time, and nothing else."""

    def __init__(self, *children, status=None, spec=SPEC, **metadata):
        self.objects = {}
        self.asked = []
        self.broken = set()
        self.children = Children()
        self.pods = []
        self.observer = Observer(self, self, self.children)
        parent = {"name": "d", "namespace": "a", "uid": "parent", "resourceVersion": "9", "generation": 3, **metadata}
        stored = status.dump() if isinstance(status, Status) else status
        self.put(
            {"kind": "ModelDeployment", "metadata": parent, "spec": spec, **({"status": stored} if stored else {})}
        )
        self.put(*children)

    def put(self, *objects):
        for each in objects:
            self.objects[each["kind"], each["metadata"]["name"]] = each

    def watch(self, *objects):
        for each in objects:
            self.children.put(each["kind"], each)

    async def get(self, kind, namespace, name):
        assert namespace == "a"
        self.asked.append((kind, name))
        if (kind, name) in self.broken:
            raise UnavailableError("no answer")
        return self.objects.get((kind, name))

    def of(self, namespace, name):
        return [read_pod(raw) for raw in self.pods]

    async def see(self, routers=(), rejected=()):
        self.asked.clear()
        return await self.observer.observe(KEY, Polled(dict(routers), {}), dict(rejected))


async def test_what_is_gone_is_none():
    world = World()
    del world.objects["ModelDeployment", "d"]
    assert await world.see() is None
    assert world.asked == [("ModelDeployment", "d")]


async def test_a_new_object_is_asked_for_what_its_spec_names():
    world = World()
    seen = await world.see()
    assert (seen.uid, seen.generation, seen.resource_version, seen.status) == ("parent", 3, "9", Status())
    assert set(world.asked) == {
        ("ModelDeployment", "d"),
        ("ControllerRevision", f"d-{REV}"),
        ("Deployment", f"d-{REV}"),
        ("Service", f"d-{REV}"),
        ("Service", "d"),
        ("Service", "d-candidate"),
        ("Deployment", "d-router"),
        ("ConfigMap", "d-router"),
        ("PodDisruptionBudget", "d-router"),
    }


async def test_every_revision_that_the_status_names_is_asked_for():
    began = datetime(2026, 1, 2, tzinfo=UTC)
    rollout = Rollout(revision="cand", previous="prev", strategy="canary", started_at=began, stage_at=began)
    ask = RouteAsk(serial=1, route=Route(arms=(Arm(revision="arm", weight=100),)), clusters=("arm", "old-mirror"))
    world = World(status=Status(stable="stab", candidate="cand", rollout=rollout, route=ask))
    await world.see()
    deployments = {name for kind, name in world.asked if kind == "Deployment"}
    assert deployments == {f"d-{name}" for name in ("stab", "cand", "prev", "arm", "old", REV, "router")}


async def test_a_wiped_status_hides_no_child_that_a_watch_has_seen():
    forgotten = child("Deployment", "d-0123456789")
    world = World(forgotten)
    assert ("Deployment", "d-0123456789") not in (await world.see()).children
    world.watch(forgotten)
    assert ("Deployment", "d-0123456789") in (await world.see()).children


async def test_a_child_that_a_watch_still_believes_in_is_checked_and_forgotten():
    world = World()
    world.watch(child("Deployment", "d-0123456789"))
    assert ("Deployment", "d-0123456789") not in (await world.see()).children
    await world.see()
    assert ("Deployment", "d-0123456789") not in world.asked


DEAD = {**OURS, "uid": "dead"}
SOMEBODY = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "other"}


@pytest.mark.parametrize(
    ("options", "whose"),
    [
        ({}, "ours"),
        ({"owner": None}, "ours"),  # orphaned or restored
        ({"owner": DEAD}, "leftover"),
        ({"owner": SOMEBODY}, "foreign"),
        ({"label": "e"}, "foreign"),
        ({"manager": "helm"}, "foreign"),
    ],
)
async def test_an_object_with_our_name_is_ours_a_leftover_or_foreign(options, whose):
    seen = await World(child("Service", "d", **options)).see()
    kinds = {"ours": frozenset(seen.children), "leftover": seen.leftovers, "foreign": seen.foreign}
    assert [name for name, found in kinds.items() if ("Service", "d") in found] == [whose]


async def test_half_an_observation_is_none():
    world = World()
    world.broken.add(("ConfigMap", "d-router"))
    with pytest.raises(UnavailableError):
        await world.see()


async def test_a_snapshot_is_read_once_for_each_version_that_a_watch_has_seen():
    world = World(snapshot())
    key = ("ControllerRevision", f"d-{REV}")
    assert (await world.see()).snapshots == {REV: REVISION}
    assert key in world.asked
    await world.see()
    assert key in world.asked, "no watch vouches for it"
    world.watch(snapshot())
    assert (await world.see()).snapshots == {REV: REVISION}
    assert key not in world.asked
    changed = snapshot(version="2", owner=None)
    world.put(changed)
    world.watch(changed)
    assert (await world.see()).children[key] == changed
    assert key in world.asked


async def test_of_a_report_only_the_metadata_is_kept_and_it_is_read_once():
    world = World(report_map())
    key = ("ConfigMap", f"d-report-{REV}-1")
    world.watch(report_map())
    for asked in (True, False):
        found = (await world.see()).children[key]
        assert found == {"metadata": report_map()["metadata"]}
        assert (key in world.asked) is asked


async def test_a_report_that_was_just_written_is_seen_before_a_watch_tells_of_it():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ended = Rollout(revision=REV, strategy="canary", started_at=now, stage_at=now)
    world = World(report_map(), status=Status(ended=ended))
    assert ("ConfigMap", f"d-report-{REV}-1") in (await world.see()).children


async def test_a_snapshot_that_was_deleted_is_not_remembered():
    world = World(snapshot())
    world.watch(snapshot())
    await world.see()
    del world.objects["ControllerRevision", f"d-{REV}"]
    world.children.remove("ControllerRevision", snapshot())
    assert (await world.see()).snapshots == {}


@pytest.mark.parametrize("data", [{}, {"content": 1}, {**REVISION.snapshot(), "timeout": "soon"}])
async def test_a_snapshot_that_cannot_be_read_is_no_revision(data):
    assert (await World(child("ControllerRevision", f"d-{REV}", data=data)).see()).snapshots == {}


async def test_a_status_of_another_form_is_an_error_that_says_what_to_do():
    with pytest.raises(RolloutError, match="Run the version that wrote it"):
        await World(status={"stable": {"not": "a name"}}).see()


@pytest.mark.parametrize("mistake", [{"replicas": "many"}, {"template": {"spec": {"containers": []}}}])
async def test_while_the_spec_is_refused_the_last_accepted_one_names_service_and_carrier(mistake):
    accepted = {key: value for key, value in SPEC.items() if key != "template"}
    accepted["service"] = {**SPEC["service"], "name": "clients"}
    ask = RouteAsk(serial=7, route=Route(arms=(Arm(revision=REV, weight=100),)), clusters=(REV,))
    service = child("Service", "clients")
    service["metadata"]["annotations"] = {ANNOTATION_ASK: json.dumps(ask.dump())}
    world = World(service, status=Status(accepted=accepted), spec={**SPEC, **mistake})
    assert (await world.see()).live_route == ask


async def test_the_live_route_is_read_from_our_own_carrier_only():
    ask = RouteAsk(serial=7, route=Route(arms=(Arm(revision=REV, weight=100),)), clusters=(REV,))
    service = child("Service", "d")
    service["metadata"]["annotations"] = {ANNOTATION_ASK: json.dumps(ask.dump())}
    assert (await World(service).see()).live_route == ask
    service["metadata"]["managedFields"] = []
    assert (await World(service).see()).live_route is None


async def test_pods_are_models_or_routers_and_routers_carry_what_they_said():
    world = World()
    model, spoke, silent = pod("m"), pod("r1"), pod("r2")
    model["metadata"]["labels"]["modelrollout.dev/component"] = "model"
    model["metadata"]["labels"]["modelrollout.dev/revision"] = REV
    for each in (spoke, silent):
        each["metadata"]["labels"]["modelrollout.dev/component"] = "router"
    world.pods = [silent, model, spoke]
    # What was said stays; that the pod is on its way out is newer.
    spoke["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    seen = await world.see(routers={"r1": RouterPodSeen(PodSeen("r1", "r1"), version="3-x")})
    assert [(each.name, each.revision) for each in seen.pods] == [("m", REV)]
    assert [(each.pod.name, each.version, each.pod.terminating) for each in seen.routers] == [
        ("r1", "3-x", True),
        ("r2", None, False),
    ]


async def test_deletion_requests_and_refusals_are_seen():
    annotations = {"modelrollout.dev/abort": "r/1", "modelrollout.dev/request": "{}"}
    world = World(annotations=annotations, deletionTimestamp="2026-01-02T03:04:05Z")
    seen = await world.see(rejected={("Deployment", "x"): "quota"})
    assert (seen.deleting, seen.abort, bool(seen.request.problem)) == (True, "r/1", True)
    assert seen.rejected == {("Deployment", "x"): "quota"}
