"""What must not change by an upgrade of the operator: names of revisions, and the templates of pods that run.

A failure here is a question, not a mistake in the test: would every model in every cluster get a new revision, or every verified
pod a restart? For the router's pods the answer may be yes, one at a time; then the number below is changed with a line in the
changelog.
"""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

from modelrollout.domain.observation import Limits
from modelrollout.domain.route import Arm, Route, RouteAsk
from modelrollout.resources.revision import build_revision
from modelrollout.resources.workload import deployment
from modelrollout.routers._base import Setup
from modelrollout.routers.envoy import PLUGIN, EnvoyConfig

CONTENT = {
    "template": {
        "metadata": {"labels": {"team": "vision"}},
        "spec": {"containers": [{"name": "model", "image": "digits:2", "env": [{"name": "A", "value": "ä"}]}]},
    },
    "model": {"name": "digits", "version": "2", "protocol": "openInference"},
    "targetPort": 8080,
    "timeout": "30s",
}


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def test_the_name_of_a_revision_never_changes():
    assert build_revision(CONTENT, Limits()).name == "d6cde61d5a"


def test_the_pods_of_a_revision_never_change():
    body = deployment("digits", "ml", (), build_revision(CONTENT, Limits()), 3)
    assert digest(body["spec"]["template"]) == "bcd232e7bebe0d50"
    assert digest(body["spec"]["selector"]) == "e14eace81b03871e"


def test_settings_make_no_new_revision():
    other = Limits(drain=timedelta(seconds=7), timeout=timedelta(seconds=9), router_image="other", freeze=True)
    other = replace(other, collector_image="other")
    assert build_revision(CONTENT, other).name == build_revision(CONTENT, Limits()).name


def test_a_router_changes_by_an_upgrade_alone_and_by_no_route():
    revision = build_revision(CONTENT, Limits())
    other = build_revision({**CONTENT, "timeout": "1m"}, Limits())
    known = {each.name: each for each in (revision, other)}
    setup = Setup("digits", "ml", (), "digits", 80, {revision.name: revision}, 3, Limits())
    one = RouteAsk(serial=1, route=Route(arms=(Arm(revision=revision.name, weight=100),)), clusters=(revision.name,))
    arms = (Arm(revision=revision.name, weight=50), Arm(revision=other.name, weight=50))
    two = RouteAsk(serial=2, route=Route(arms=arms), clusters=tuple(sorted(known)))
    templates = [_template(setup, one), _template(replace(setup, revisions=known), two)]
    assert templates[0] == templates[1]
    assert digest(templates[0]) == "de34b9288b896a8e"


def _template(setup, ask):
    (found,) = (body for body in PLUGIN.objects(EnvoyConfig(), setup, ask) if body["kind"] == "Deployment")
    return found["spec"]["template"]
