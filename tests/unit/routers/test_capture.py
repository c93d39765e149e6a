"""What is rendered for a spec that compares predictions, and that nothing is where it compares none."""

import hashlib
import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from modelrollout.domain.capture import CAPTURE_FILE, Capture, Extraction, Labelled, Observed, Part
from modelrollout.domain.observation import Limits
from modelrollout.domain.route import Arm, Mirror, Route, RouteAsk
from modelrollout.names import LABEL_COLLECTOR, mirror_cluster
from modelrollout.resources.revision import build_revision
from modelrollout.routers._base import Setup
from modelrollout.routers._collector import LOOP
from modelrollout.routers._envoy_bootstrap import CLUSTERS_FILE, ROUTES_FILE
from modelrollout.routers.envoy import PLUGIN, EnvoyConfig


def revision(number):
    content = {"template": {"spec": {"containers": [{"name": "m", "image": f"m:{number}"}]}}, "targetPort": 8080}
    return build_revision(content, Limits())


REVISIONS = {one.name: one for one in map(revision, range(2))}
ONE, TWO = REVISIONS
PLAIN = Setup("digits", "ml", (), "digits", 80, REVISIONS, 4, Limits(collector_image="mine:1"))
PARTS = (
    Part(name="light=dark", header="light", value="dark"),
    Part(name="light=day", header="light", value="day"),
    Part(name="age=1", path="age", value="1"),
)
CAPTURE = Capture(stable=ONE, candidate=TWO, percent=30, parts=PARTS, extractions=(Extraction(),))
SETUP = replace(PLAIN, capture=CAPTURE)
IDLE = replace(PLAIN, capture=CAPTURE.model_copy(update={"stable": None, "candidate": None}))


def ask(*mirrors, serial=1):
    route = Route(arms=(Arm(revision=ONE, weight=100),), mirrors=mirrors)
    return RouteAsk(serial=serial, route=route, clusters=tuple(sorted({*route.clusters(), ONE, TWO})))


SHADOW = ask(Mirror(revision=TWO, percent=100))
SOME = ask(Mirror(revision=TWO, percent=40), Mirror(revision=ONE, percent=4))
PROMOTED = ask()


def files(setup, asked):
    data = PLUGIN.objects(EnvoyConfig(), setup, asked)[-1]["data"]
    return {name: json.loads(text) for name, text in data.items()}


def routes(setup, asked):
    (config,) = files(setup, asked)[ROUTES_FILE]["resources"]
    return {route["name"]: route for route in config["virtual_hosts"][0]["routes"]}


def template(setup, asked=SHADOW):
    (found,) = (body for body in PLUGIN.objects(EnvoyConfig(), setup, asked) if body["kind"] == "Deployment")
    return found["spec"]["template"]


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("asked", "expected"), [(SHADOW, "6a9894ed9cc9a17b"), (SOME, "f27b1377af04dc87"), (PROMOTED, "89cf77a901ea5961")]
)
def test_without_predictions_every_byte_is_as_ever(asked, expected):
    # An upgrade of the operator must not touch a router for what its ModelDeployment does not use.
    assert digest(list(PLUGIN.objects(EnvoyConfig(), PLAIN, asked))) == expected


def test_the_route_that_copies_turns_the_filter_on_and_no_other_one_does():
    for asked in (SHADOW, SOME, PROMOTED):
        on = {name for name, route in routes(SETUP, asked).items() if "typed_per_filter_config" in route}
        assert on == ({"mirrored"} if asked.route.mirrors else set())
    assert not any("typed_per_filter_config" in route for route in routes(IDLE, SHADOW).values())


def test_the_filter_learns_from_the_route_what_to_keep():
    metadata = routes(SETUP, SHADOW)["mirrored"]["metadata"]["filter_metadata"]
    assert metadata == {"capture": {"percent": 30, "headers": ["light"], "body": True}}
    bodiless = replace(SETUP, capture=CAPTURE.model_copy(update={"parts": PARTS[:2]}))
    assert routes(bodiless, SHADOW)["mirrored"]["metadata"]["filter_metadata"]["capture"]["body"] is False


def observing(**fields):
    return replace(PLAIN, capture=CAPTURE.model_copy(update={"observed": Observed(percent=7), **fields}))


def asked_of(setup, asked, header=None):
    config = EnvoyConfig(preview_header=header)
    text = PLUGIN.objects(config, setup, asked)[-1]["data"][ROUTES_FILE]
    found = json.loads(text)["resources"][0]["virtual_hosts"][0]["routes"]
    return {
        route["name"]: route["metadata"]["filter_metadata"]["capture"]
        for route in found
        if "typed_per_filter_config" in route
    }


def test_observed_requests_are_captured_on_every_route_but_those_of_probes_and_previews():
    route = Route(arms=(Arm(revision=ONE, weight=90), Arm(revision=TWO, weight=10)), preview=TWO)
    split = RouteAsk(serial=1, route=route, clusters=(ONE, TWO))
    plain = {"percent": 7, "headers": ["light", "x-request-id"], "body": True}
    assert asked_of(observing(), split, "x-model-version") == {"split": plain}
    assert asked_of(observing(), PROMOTED) == {"split": plain}
    pairs = {"percent": 30, "headers": ["light"], "body": True}
    assert asked_of(observing(), SHADOW) == {"mirrored": pairs, "notMirrored": plain}
    assert asked_of(observing(), SOME) == {"mirrored": pairs, "notChosen": plain, "notMirrored": plain}


def test_labels_alone_need_no_bodies_of_requests():
    labelled = observing(observed=None, labelled=Labelled(output=Extraction()), parts=PARTS[:2])
    assert asked_of(labelled, PROMOTED) == {
        "split": {"percent": 30, "headers": ["light", "x-request-id"], "body": False}
    }


def test_observing_restarts_no_router_that_captures_already():
    for asked in (SHADOW, SOME, PROMOTED):
        assert template(observing(), asked) == template(SETUP)
    assert PLUGIN.version(EnvoyConfig(), observing(), PROMOTED) != PLUGIN.version(EnvoyConfig(), SETUP, PROMOTED)


@pytest.mark.parametrize(
    ("setup", "asked", "expected"),
    [
        (SETUP, SHADOW, "2cee4c5400752f09"),
        (SETUP, SOME, "139fa2707b584e0c"),
        (SETUP, PROMOTED, "7dafb0d457cadb72"),
        (IDLE, PROMOTED, "b4d685b9246f1395"),
    ],
)
def test_without_observed_inputs_every_byte_is_as_ever(setup, asked, expected):
    assert digest(list(PLUGIN.objects(EnvoyConfig(), setup, asked))) == expected


def test_what_nobody_gets_a_copy_of_takes_another_route_and_keeps_its_arms():
    found = routes(SETUP, SOME)
    assert list(found) == ["probe", "mirrored", "notChosen", "notMirrored"]
    fraction = found["mirrored"]["match"]["runtime_fraction"]["default_value"]
    assert fraction == {"numerator": 40, "denominator": "HUNDRED"}
    assert found["notChosen"]["match"]["headers"] == found["mirrored"]["match"]["headers"]
    arms = [route["route"]["weighted_clusters"] for name, route in found.items() if name != "probe"]
    assert arms == [arms[0]] * 3
    assert "notChosen" not in routes(SETUP, SHADOW), "everybody's requests are copied"


def test_copies_say_how_many_of_them_are_captured():
    for policy in routes(SETUP, SOME)["mirrored"]["route"]["request_mirror_policies"]:
        headers = {
            change["append"]["header"]["key"]: change["append"] for change in policy["request_headers_mutations"]
        }
        assert headers["x-shadow"] == {"header": {"key": "x-shadow", "value": "true"}}
        assert headers["x-capture"]["header"]["value"] == "30"
        assert headers["x-capture"]["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"


def test_no_rollout_changes_a_cluster_that_stays():
    found = [
        {cluster["name"]: cluster for cluster in files(setup, asked)[CLUSTERS_FILE]["resources"]}
        for setup in (SETUP, IDLE, replace(SETUP, capture=CAPTURE.model_copy(update={"percent": 1, "parts": ()})))
        for asked in (SHADOW, SOME, PROMOTED)
    ]
    for clusters in found:
        for name, cluster in clusters.items():
            assert all(other.get(name, cluster) == cluster for other in found)
    plain = {cluster["name"]: cluster for cluster in files(PLAIN, SOME)[CLUSTERS_FILE]["resources"]}
    assert {name for name, cluster in found[1].items() if cluster != plain[name]} == {
        mirror_cluster(ONE),
        mirror_cluster(TWO),
    }


def test_no_rollout_changes_the_pods():
    for setup in (SETUP, IDLE):
        for asked in (SHADOW, SOME, PROMOTED):
            assert template(setup, asked) == template(SETUP)


def test_the_collector_is_told_by_a_file_beside_the_routers():
    assert Capture.model_validate(files(SETUP, SHADOW)[CAPTURE_FILE]) == CAPTURE
    assert Capture.model_validate(files(IDLE, PROMOTED)[CAPTURE_FILE]).candidate is None
    assert CAPTURE_FILE not in files(PLAIN, SHADOW)
    mounts = [container["volumeMounts"] for container in template(SETUP)["spec"]["containers"]]
    assert mounts[0] == mounts[1]


def test_a_change_of_what_is_captured_is_a_change_of_the_version():
    captures = (
        None,
        CAPTURE,
        *(CAPTURE.model_copy(update=change) for change in ({"redact": ("user",)}, {"percent": 29})),
    )
    assert len({PLUGIN.version(EnvoyConfig(), replace(SETUP, capture=one), SHADOW) for one in captures}) == len(
        captures
    )


def test_the_collector_may_as_little_as_the_router():
    envoy, collector = template(SETUP)["spec"]["containers"]
    assert (envoy["name"], collector["name"], collector["image"]) == ("envoy", "collector", "mine:1")
    assert collector["securityContext"] == envoy["securityContext"]
    assert collector["resources"]["limits"].keys() == {"memory"}


def test_nothing_that_the_kubelet_asks_depends_on_the_collector():
    envoy, collector = template(SETUP)["spec"]["containers"]
    (as_ever,) = template(PLAIN)["spec"]["containers"]
    assert not {"readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "ports"} & collector.keys()
    assert {**envoy, "args": ()} == {**as_ever, "args": ()}


def test_routers_with_a_collector_can_be_found():
    assert template(SETUP)["metadata"]["labels"][LABEL_COLLECTOR] == "true"
    assert LABEL_COLLECTOR not in template(PLAIN)["metadata"]["labels"]


@pytest.fixture
def loop(tmp_path):
    """Return the container's process, with a collector that writes down its number and its bounds, and dies three times."""
    program = tmp_path / "python3"
    log = tmp_path / "log"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$$ $(ulimit -d) $@" >>{log}\n'
        f'[ "$(wc -l <{log})" -gt 1 ] || kill -9 $$\n'
        f"mkfifo {tmp_path}/open; exec 9<>{tmp_path}/open; echo up >{tmp_path}/up; read line <&9\n"
    )
    program.chmod(0o755)
    os.mkfifo(tmp_path / "up")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen(["/bin/sh", "-c", LOOP], env=path, start_new_session=True)
    yield process, tmp_path
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def test_a_collector_that_dies_is_started_again_and_takes_nobody_with_it(loop):
    process, directory = loop
    assert (directory / "up").read_text() == "up\n"
    assert process.poll() is None
    lines = [line.split() for line in (directory / "log").read_text().splitlines()]
    assert [line[1:] for line in lines] == [[str(160 * 1024), "-m", "modelrollout.collector"]] * 2


def test_a_pod_that_leaves_does_not_wait_for_its_collector(loop):
    process, directory = loop
    assert (directory / "up").read_text() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    last = int((directory / "log").read_text().splitlines()[-1].split()[0])
    # Its parent is gone, so nobody but the system waits for it.
    subprocess.run(["tail", f"--pid={last}", "-f", "/dev/null"], check=True, timeout=10)
    assert not Path(f"/proc/{last}").exists()
