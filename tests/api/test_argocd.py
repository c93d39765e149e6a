"""What Argo CD makes of a ModelDeployment's status."""

import json

import pytest
import yaml

from tests.api.health import CONFIG, health


def model_deployment(generation=2, observed=2, message="", **conditions):
    given = [{"type": kind, "status": "True", "reason": reason} for kind, reason in conditions.items()]
    if "Ready" not in conditions:
        given.append({"type": "Ready", "status": "False", "reason": "Whatever"})
    return {
        "metadata": {"name": "digits", "generation": generation},
        "status": {"observedGeneration": observed, "message": message, "conditions": given},
    }


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"Ready": "Stable", "Available": "Served"}, "Healthy"),
        ({"Reconciling": "Holding"}, "Progressing"),
        ({"Reconciling": "WaitingForAnalysis"}, "Progressing"),
        ({"Reconciling": "Aborting"}, "Progressing"),
        ({"Reconciling": "WaitingForApproval"}, "Suspended"),
        ({"Reconciling": "Paused"}, "Suspended"),
        ({"Reconciling": "Frozen"}, "Suspended"),
        ({"Stalled": "RolloutAborted", "Available": "Served"}, "Degraded"),
        ({"Stalled": "InvalidSpec"}, "Degraded"),
        ({}, "Progressing"),
    ],
)
def test_a_status_becomes_one_of_argo_cds_words(conditions, expected):
    answer = health(model_deployment(message="Because.", **conditions))
    assert answer == {"status": expected, "message": "Because."}


@pytest.mark.parametrize(
    "obj",
    [
        {"metadata": {"generation": 1}},
        {"metadata": {"generation": 1}, "status": {}},
        model_deployment(generation=3, observed=2, Ready="Stable"),
        model_deployment(generation=3, observed=2, Stalled="RolloutAborted"),
    ],
    ids=["no-status", "empty-status", "ready-for-an-older-spec", "stalled-for-an-older-spec"],
)
def test_what_was_said_of_an_older_spec_does_not_count(obj):
    assert health(obj)["status"] == "Progressing"


def test_argo_cd_leaves_alone_what_others_write():
    text = CONFIG["resource.customizations.ignoreDifferences.modelrollout.dev_ModelDeployment"]
    pointers = yaml.safe_load(text)["jsonPointers"]
    live = {
        "metadata": {"annotations": {"modelrollout.dev/request": "{}", "modelrollout.dev/abort": "x/1", "kept": "y"}},
        "spec": {"replicas": 5, "paused": False},
        "status": {"phase": "Ready"},
    }
    for pointer in pointers:
        *parents, last = (part.replace("~1", "/") for part in pointer.split("/")[1:])
        place = live
        for part in parents:
            place = place[part]
        del place[last]
    assert json.dumps(live) == '{"metadata": {"annotations": {"kept": "y"}}, "spec": {"paused": false}}'
