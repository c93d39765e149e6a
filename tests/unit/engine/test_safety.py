"""The invariants, held against plans that no rule should ever make; with two arms and with three."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from modelrollout.domain.observation import Limits, Observation, PodSeen
from modelrollout.domain.plan import Delete, Plan
from modelrollout.domain.route import Arm, Mirror, Route, RouteAsk
from modelrollout.domain.status import Rollout, RolloutState, Status
from modelrollout.engine import decide as decide_module
from modelrollout.engine.decide import decide
from modelrollout.engine.safety import violations
from tests.unit.engine.world import World, canary, template

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ask(serial: int = 2, *, clusters: str | None = None, mirror: str = "", **weights: int) -> RouteAsk:
    route = Route(
        arms=tuple(Arm(revision=name, weight=weight) for name, weight in weights.items()),
        mirrors=(Mirror(revision=mirror, percent=100),) if mirror else (),
    )
    names = clusters.split() if clusters is not None else sorted({*route.clusters(), "a", "b", "c", "b-mirror"})
    return RouteAsk(serial=serial, route=route, clusters=tuple(names))


def rollout(state: RolloutState = RolloutState.PROGRESSING) -> Rollout:
    return Rollout(revision="b", previous="a", strategy="canary", started_at=NOW, stage_at=NOW, state=state)


def world(
    before: RouteAsk | None, spec: dict[str, Any] | None = None, sizes: dict[str, int] | None = None, **ready: int
) -> Observation:
    pods = tuple(
        PodSeen(f"{revision}-{index}", f"{revision}-{index}", revision=revision, ready=True)
        for revision, count in ready.items()
        for index in range(count)
    )
    children = {("Deployment", f"x-{name}"): {"spec": {"replicas": size}} for name, size in (sizes or {}).items()}
    return Observation("ns", "x", "uid", 1, "1", spec or {}, Status(route=before), pods=pods, children=children)


def broken(plan: Plan, seen: Observation, replicas: int = 4) -> list[str]:
    return [error.invariant for error in violations(plan, seen, replicas)]


def plan(after: RouteAsk | None, state: RolloutState = RolloutState.PROGRESSING, **fields: Any) -> Plan:
    return Plan(status=Status(route=after, rollout=rollout(state), stable="a"), **fields)


BEFORE = ask(1, a=100)


@pytest.mark.parametrize(
    ("after", "ready", "expected"),
    [
        (ask(a=75, b=25), {"a": 4, "b": 1}, []),
        (ask(a=75, b=24), {"a": 4, "b": 1}, ["WeightsSumTo100"]),
        (ask(a=75, b=25, clusters="a"), {"a": 4, "b": 1}, ["RouteNamesItsClusters"]),
        (ask(a=100, mirror="b"), {"a": 4}, []),
        (ask(a=75, b=25, mirror="b"), {"a": 4, "b": 4}, ["ShadowNeverAnswers"]),
        (ask(1, a=75, b=25), {"a": 4, "b": 1}, ["SerialGrows"]),
        (ask(a=75, b=25), {"a": 4, "b": 0}, ["ReadyBeforeWeight"]),
        (ask(a=50, b=50), {"a": 4, "b": 1}, ["ReadyBeforeWeight"]),
        (ask(a=50, b=50), {"a": 4, "b": 2}, []),
        (ask(b=100), {"a": 4, "b": 3}, ["WholeBeforeAll"]),
        (ask(b=100), {"a": 4, "b": 4}, []),
        (ask(b=100), {"a": 2, "b": 2}, []),
        (ask(b=100), {"a": 0, "b": 1}, []),
        (ask(b=100), {"a": 0, "b": 0}, ["ReadyBeforeWeight"]),
        (ask(a=100, clusters="b c"), {"a": 4}, ["RouteNamesItsClusters", "RouteBeforeCluster"]),
        (ask(b=100, clusters="b c"), {"a": 4, "b": 4}, ["RouteBeforeCluster"]),
        # Three arms: a, and two that get the same share for a fair comparison.
        (ask(a=80, b=10, c=10), {"a": 4, "b": 1, "c": 1}, []),
        (ask(a=80, b=10, c=10), {"a": 4, "b": 1, "c": 0}, ["ReadyBeforeWeight"]),
        (ask(a=20, b=40, c=40), {"a": 4, "b": 2, "c": 1}, ["ReadyBeforeWeight"]),
        (ask(a=80, b=10, c=11), {"a": 4, "b": 1, "c": 1}, ["WeightsSumTo100"]),
    ],
)
def test_what_a_route_may_become(after: RouteAsk, ready: dict[str, int], expected: list[str]) -> None:
    assert broken(plan(after), world(BEFORE, **ready)) == expected


def twice(*mirrors: str, **weights: int) -> RouteAsk:
    """Return an ask in which several revisions get copies."""
    asked = ask(clusters="a a-mirror b b-mirror c", **weights)
    copies = tuple(Mirror(revision=name, percent=10) for name in mirrors)
    return asked.model_copy(update={"route": asked.route.model_copy(update={"mirrors": copies})})


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (twice("b", "a", a=100), []),
        (twice("a", a=100), []),
        (twice("b", "a", a=75, b=25), ["ShadowNeverAnswers"]),
        (twice("b", a=75, b=25), ["ShadowNeverAnswers"]),
    ],
)
def test_only_what_traffic_goes_home_to_may_get_copies_and_answer(after: RouteAsk, expected: list[str]) -> None:
    before = ask(1, a=100, clusters="a a-mirror b b-mirror c")
    assert broken(plan(after), world(before, a=4, b=4)) == expected
    done = Plan(status=Status(route=after, stable="a"))
    assert broken(done, world(before, a=4, b=4)) == expected
    other = Plan(status=Status(route=after, stable="c"))
    assert "ShadowNeverAnswers" in broken(other, world(before, a=4, b=4))


def test_a_cluster_comes_before_the_route_that_names_it() -> None:
    before = ask(1, a=100, clusters="a")
    assert broken(plan(ask(a=50, b=50, clusters="a b")), world(before, a=4, b=4)) == ["ClusterBeforeRoute"]
    assert broken(plan(ask(a=100, clusters="a b")), world(before, a=4)) == []


def test_of_three_arms_the_largest_must_be_replaced_in_full() -> None:
    before = ask(1, a=80, b=10, c=10)
    assert broken(plan(ask(b=100)), world(before, a=4, b=3, c=1)) == ["WholeBeforeAll"]
    assert broken(plan(ask(b=100)), world(before, a=4, b=4, c=1)) == []


@pytest.mark.parametrize(("ready", "expected"), [(1, []), (0, ["ReadyBeforeWeight"])])
def test_an_abort_needs_one_ready_pod_at_home(ready: int, expected: list[str]) -> None:
    seen = world(ask(1, b=100), a=ready, b=4)
    assert broken(plan(ask(a=100), RolloutState.ABORTING), seen) == expected
    assert broken(plan(ask(a=100)), seen) == ["WholeBeforeAll" if ready else "ReadyBeforeWeight"]


def test_an_abort_home_from_three_arms_is_as_free() -> None:
    seen = world(ask(1, a=20, b=40, c=40), a=1, b=4, c=4)
    assert broken(plan(ask(a=100), RolloutState.ABORTING), seen) == []


def test_the_user_may_have_said_that_there_are_fewer_pods() -> None:
    seen = world(BEFORE, spec={"maxExtraReplicas": 1}, a=4, b=1)
    assert broken(plan(ask(a=50, b=50)), seen) == []
    assert broken(plan(ask(b=100)), seen) == ["WholeBeforeAll"]


def test_a_bad_world_is_no_violation() -> None:
    route = ask(1, a=50, b=50)
    assert broken(plan(route), world(route, a=0, b=0)) == []
    assert broken(plan(ask(2, a=50, b=50)), world(route, a=0, b=0)) == []


def test_the_first_route_may_name_pods_that_are_not_there_yet() -> None:
    assert broken(plan(ask(a=100)), world(None)) == []


@pytest.mark.parametrize(
    ("sizes", "state", "route", "expected"),
    [
        ({"a": 4, "b": 4}, RolloutState.PROGRESSING, ask(1, a=50, b=50), []),
        ({"a": 3, "b": 4}, RolloutState.PROGRESSING, ask(1, a=50, b=50), ["CapacityStays"]),
        ({"a": 3, "b": 4}, RolloutState.PROGRESSING, ask(1, b=100), ["CapacityStays"]),
        ({"a": 4, "b": 2}, RolloutState.PROGRESSING, ask(1, a=50, b=50), []),
        ({"a": 4, "b": 1}, RolloutState.PROGRESSING, ask(1, a=50, b=50), ["CapacityStays"]),
        ({"a": 4, "b": 0}, RolloutState.PROGRESSING, ask(1, a=100), []),
        ({"a": 4, "b": 1}, RolloutState.ABORTING, ask(1, a=50, b=50), ["CapacityStays"]),
        ({"b": 3}, RolloutState.COMPLETED, ask(1, b=100), ["CapacityStays"]),
        ({"b": 4}, RolloutState.COMPLETED, ask(1, b=100), []),
    ],
)
def test_what_answers_keeps_its_pods(
    sizes: dict[str, int], state: RolloutState, route: RouteAsk, expected: list[str]
) -> None:
    seen = world(route, sizes={"a": 4, "b": 4}, a=4, b=4)
    assert broken(plan(route, state, sizes=sizes), seen) == expected


def test_a_person_may_scale_what_is_at_rest() -> None:
    route = ask(1, b=100)
    seen = world(route, sizes={"b": 4}, b=4)
    assert broken(plan(route, RolloutState.COMPLETED, sizes={"b": 2}), seen, replicas=2) == []
    assert broken(plan(route, RolloutState.COMPLETED, sizes={"b": 0}), seen, replicas=0) == []


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_nothing_that_a_route_uses_is_deleted(kind: str) -> None:
    route = ask(1, a=50, b=50)
    gone = Delete(kind, "x-a", "u", "1")
    assert broken(plan(route, writes=(gone,)), world(route, a=4, b=4)) == ["CapacityStays"]
    live = replace(world(None, a=4, b=4), live_route=route)
    assert broken(plan(ask(9, b=100), RolloutState.COMPLETED, writes=(gone,)), live) == ["CapacityStays"]
    old = Delete(kind, "x-c", "u", "1")
    assert broken(plan(route, writes=(old,)), world(route, a=4, b=4)) == []


def test_a_plan_that_breaks_an_invariant_is_replaced_by_the_one_that_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = World()
    made.install()
    made.apply(strategy=canary(25, 50), template=template(2))
    made.wait(30)
    monkeypatch.setattr(decide_module, "obstacle", lambda *_: None)
    made.ready[made.name(2)] = 0
    made.now = made.rollout.verified_at + (made.rollout.verified_at - made.rollout.started_at)  # type: ignore[operator]
    made.ask("promote")
    made.wait(5)
    assert made.rollout.state is RolloutState.ABORTED
    assert made.rollout.cause is not None
    assert made.rollout.cause.reason == "ReadyBeforeWeight"
    assert made.weight(1) == 100


def test_what_even_the_abort_would_break_changes_nothing_and_names_the_invariant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = World()
    made.install()
    made.apply(template=template(2))
    made.wait(30)
    seen = made.look()

    def never(*_: object) -> tuple[Exception, ...]:
        return violations(plan(ask(a=1)), world(BEFORE, a=4), 4)

    monkeypatch.setattr(decide_module, "violations", never)
    first = decide(seen, Limits(), made.now)
    assert not first.writes
    assert first.status.route == seen.status.route
    assert [condition.reason for condition in first.status.conditions if condition.type == "Stalled"] == [
        "WeightsSumTo100"
    ]
    assert [event.reason for event in first.events] == ["WeightsSumTo100"]
    again = decide(replace(seen, status=first.status), Limits(), made.now)
    assert again.status == first.status
    assert not again.events, "said once"
