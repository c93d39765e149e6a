"""A report fits into its ConfigMap, whatever people and programs wrote into it."""

import json
from typing import Any

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.observation import Limits
from modelrollout.domain.status import Edit, Request, RolloutState, Visit
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import contextualize
from modelrollout.engine.dossier import dossier
from modelrollout.engine.dossier_page import markdown
from modelrollout.names import report
from modelrollout.resources.report import JSON, MARKDOWN, MOST, report_map
from tests.unit.engine.world import ERRORS, START, World, analysis, canary, spec_of, template


def values(**more: Any) -> dict[str, Any]:
    return {"candidate": {"revision": "0123456789"}, "attempt": 3, **more}


def test_it_holds_only_what_is_ours_and_names_its_attempt() -> None:
    owner = ({"uid": "u1"},)
    assert report_map("digits", "ml", owner, values(), lambda found: f"# {found['attempt']}") == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "digits-report-0123456789-3",
            "namespace": "ml",
            "labels": {
                "modelrollout.dev/name": "digits",
                "modelrollout.dev/component": "report",
                "modelrollout.dev/revision": "0123456789",
                "modelrollout.dev/attempt": "3",
            },
            "ownerReferences": [{"uid": "u1"}],
        },
        "immutable": True,
        "data": {JSON: '{"candidate":{"revision":"0123456789"},"attempt":3}', MARKDOWN: "# 3"},
    }


def test_its_name_is_a_name_however_often_it_is_tried() -> None:
    assert len(report("x" * 40, "0123456789", 10**9)) <= 253


@pytest.mark.parametrize(
    ("text", "longest"),
    [pytest.param("ä" * 4096, 4096, id="fits"), pytest.param("ä" * 20_000, 4096, id="cut")],
)
def test_a_long_text_is_cut(text: str, longest: int) -> None:
    data = report_map("digits", "ml", (), values(words=text), lambda _: "")["data"]
    assert len(json.loads(data[JSON])["words"]) == longest


def test_the_first_slices_are_kept_when_all_are_too_many() -> None:
    gates = [
        {"slices": [{"slice": f"{gate}-{number}", "text": "x" * 300} for number in range(20)]} for gate in range(30)
    ]
    data = report_map("digits", "ml", (), values(gates=gates), lambda _: "")["data"]
    kept = [[one["slice"] for one in gate["slices"]] for gate in json.loads(data[JSON])["gates"]]
    assert {len(slices) for slices in kept} == {5}
    assert kept[0][0] == "0-0"


def test_the_longest_attempt_fits() -> None:
    """Everything that a status can hold, filled to its brim."""
    made = _longest()
    data = report_map("x" * 40, "x" * 63, (), made, markdown)["data"]
    size = sum(len(text.encode()) for text in data.values())
    assert size <= MOST
    assert len(json.loads(data[JSON])["gates"]) >= 10
    assert "were cut so that this fits" in data[MARKDOWN]


def _longest() -> dict[str, Any]:
    names = [f"{number:02}{'x' * 61}" for number in range(64)]
    evidence = dict.fromkeys(
        ("against", "within", "worse", "candidate", "stable", "low", "high", "per_second", "stable_per_second"),
        -1234.56789,
    )
    counts = {"requests": 10**9, "stable_requests": 10**9, "needed": 10**9, "noise": 1234.5678}
    slices = tuple(Evidence(slice=f"{number:02}{'ä' * 61}", **evidence, **counts) for number in range(20))
    gates = tuple(
        Gate(
            name=name,
            verdict=Verdict.UNDECIDED,
            state="TrafficSplitMismatch",
            value=-1234.56789,
            limit="ä" * 63,
            failures=100,
            requests=10**9,
            at=START,
            message="ä" * 512,
            evidence=Evidence(**evidence, **counts),
            slices=slices,
        )
        for name in names
    )
    metrics = [
        {"name": name, "prometheus": {"query": "ä" * 4096}, "threshold": {"max": 123456.789, "min": -123456.789}}
        for name in names
    ]
    world = World(spec_of(strategy=canary(25), analysis=analysis(ERRORS)))
    world.install()
    world.apply(template=template(2))
    world.wait(10)
    context = contextualize(world.look(), Limits(), world.now)
    assert context is not None
    context = context.with_rollout(
        state=RolloutState.COMPLETED,
        gates=gates,
        analysis=analysis(*metrics),
        visits=(Visit(label="ä" * 63, weight=100, mirror=100, at=START),) * 60,
        edits=(Edit(at=START, generation=1, metric="x" * 63, setting="x" * 128, before="ä" * 256, after="ä" * 256),)
        * 10,
        requests=(
            Request(id="x" * 63, action="promote-full", accepted=True, message="ä" * 1024, at=START, by="ä" * 256),
        )
        * 20,
    )
    assert context.status.rollout is not None
    return dossier(context, context.status.rollout)
