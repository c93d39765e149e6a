"""A preset decides as its metrics would, and its first rollout after an install is held against stricter limits."""

from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.api.presets import expanded
from modelrollout.api.validate import parse_spec
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import State
from modelrollout.domain.status import Status
from tests.unit.engine.world import World, canary, spec_of, template

PROVEN = Evidence(candidate=0.001, stable=0.001, requests=5000, against=0.0, within=9.0)
NOTHING = Evidence(candidate=0.001, stable=0.001, requests=5000, against=0.0, within=0.1)
WORSE = Evidence(candidate=0.2, stable=0.001, requests=5000, against=9.0, within=0.0)
STRATEGY = canary(25, 50, shadow={"hold": "1m"}, bake="1m")
MODEL = {"protocol": "openInference"}
NAMES = ("errors", "slow", "agreement", "kappa", "classes", "empty")
MINE = {"name": "mine", "router": {"signal": "dropped"}, "threshold": {"max": 0.1}}


def analysis(*metrics: dict[str, Any], **fields: Any) -> dict[str, Any]:
    found = {"interval": "10s", "preset": "tabular-classification", **fields}
    return {**found, "metrics": list(metrics)} if metrics else found


def written_out(asked: dict[str, Any], *, first: bool) -> dict[str, Any]:
    """The same analysis as a user could have written it."""
    spec, problems = parse_spec(spec_of(analysis=asked, strategy=STRATEGY, model=MODEL), {"name": "digits"})
    assert spec is not None, problems
    return {key: value for key, value in expanded(asked, spec, first=first).items() if key != "preset"}


def installed(asked: dict[str, Any] | None = None) -> World:
    world = World(spec_of(analysis=asked or analysis(), strategy=STRATEGY, model=MODEL))
    world.install()
    world.values = dict.fromkeys(NAMES, PROVEN)
    return world


def limits(world: World) -> dict[str, Any]:
    """The judges that the current attempt is held against, by metric."""
    assert world.rollout.analysis is not None
    return {metric["name"]: list(metric.values())[2] for metric in world.rollout.analysis["metrics"]}


USUAL = {metric["name"]: list(metric.values())[2] for metric in written_out(analysis(), first=False)["metrics"]}
STRICT = {metric["name"]: list(metric.values())[2] for metric in written_out(analysis(), first=True)["metrics"]}


def test_the_install_is_no_first_rollout() -> None:
    world = installed()
    assert world.rollout.first is None
    assert limits(world) == USUAL


def test_the_first_rollout_is_held_against_stricter_limits_and_the_next_against_the_usual_ones() -> None:
    world = installed()
    world.apply(template=template(2))
    world.wait(5)
    assert limits(world) == STRICT
    assert {gate.limit for gate in world.rollout.gates if gate.name == "agreement"} == {"agreement ≥ 95 %"}
    world.run()
    assert world.status.stable == world.name(2)
    assert (world.rollout.first, limits(world), world.rollout.edits) == (True, STRICT, ())
    world.apply(template=template(3))
    world.wait(5)
    assert (world.rollout.first, limits(world)) == (None, USUAL)
    assert {gate.limit for gate in world.rollout.gates if gate.name == "agreement"} == {"agreement ≥ 90 %"}
    world.run()
    assert world.rollout.edits == ()


def test_a_first_rollout_that_went_home_is_followed_by_a_first_rollout() -> None:
    world = installed()
    world.values["errors"] = WORSE
    world.apply(template=template(2))
    world.run()
    assert world.status.stable == world.name(1)
    world.values["errors"] = PROVEN
    world.apply(template=template(3))
    world.wait(5)
    assert limits(world) == STRICT
    # Another one is wanted before it is over: both in one pass.
    world.apply(template=template(4))
    world.wait(5)
    assert world.rollout.revision == world.name(4)
    assert (limits(world), world.rollout.edits) == (STRICT, ())
    world.run()
    assert world.status.stable == world.name(4)


def test_limits_do_not_change_in_mid_attempt_when_the_history_does() -> None:
    world = installed()
    world.apply(template=template(2))
    world.wait(5)
    world.status = world.status.model_copy(update={"history": ()})
    world.wait(70)
    assert (limits(world), world.rollout.edits) == (STRICT, ())


def test_after_as_many_attempts_as_the_history_remembers_nobody_knows_that_it_is_the_first() -> None:
    world = installed()
    world.values["errors"] = WORSE
    for version in range(2, 12):
        world.apply(template=template(version))
        world.run()
    assert len(world.status.history) == 10
    world.apply(template=template(99))
    world.wait(5)
    assert (limits(world), world.rollout.edits) == (USUAL, ())


def test_what_the_user_wrote_is_the_same_in_the_first_rollout() -> None:
    own = {"name": "agreement", "predictions": {}, "agreement": {"min": 0.5}}
    world = installed(analysis(MINE, own))
    world.apply(template=template(2))
    world.wait(5)
    assert limits(world)["mine"] == {"max": 0.1}
    assert limits(world)["agreement"] == {"min": 0.5}
    assert limits(world)["errors"] == STRICT["errors"]


def test_a_spec_that_is_refused_leaves_the_first_rollout_its_limits() -> None:
    world = installed()
    world.apply(template=template(2))
    world.wait(5)
    world.apply(analysis=analysis(alpha=2))
    world.wait(5)
    assert world.condition("Stalled")[0] == "True"
    assert limits(world) == STRICT
    assert {gate.limit for gate in world.rollout.gates if gate.name == "agreement"} == {"agreement ≥ 95 %"}


def test_a_preset_that_comes_in_mid_attempt_is_an_edit_and_its_limits_are_the_usual_ones() -> None:
    world = installed({"interval": "10s", "metrics": [MINE]})
    world.apply(template=template(2))
    world.wait(5)
    assert world.rollout.first is None
    world.apply(analysis=analysis(MINE))
    world.wait(5)
    assert {edit.metric for edit in world.rollout.edits} == {"", *NAMES}
    assert {key: value for key, value in limits(world).items() if key != "mine"} == USUAL
    # The next attempt may still be the first rollout; it begins with its own limits, in the pass that ends this one.
    world.apply(template=template(3))
    world.wait(5)
    assert world.rollout.revision == world.name(3)
    assert (world.rollout.first, world.rollout.edits) == (True, ())


def test_without_a_preset_nothing_is_remembered_of_a_first_rollout() -> None:
    world = installed(written_out(analysis(), first=False))
    world.apply(template=template(2))
    world.wait(5)
    assert world.rollout.first is None
    assert "first" not in world.rollout.dump()


SAID = st.sampled_from([PROVEN, NOTHING, WORSE, State.NO_TRAFFIC, State.ERROR])
MOMENTS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from([*NAMES, "mine"]), SAID),
        st.sampled_from([5, 40, 70]),
        st.sampled_from(["", "promote", "pause", "abort", "retry", "again"]),
    ),
    min_size=1,
    max_size=4,
)


def played(world: World, moments: list[tuple[dict[str, Any], int, str]]) -> list[dict[str, Any]]:
    """What the status was after each moment, but for how the analysis was written."""
    seen, version = [], 2
    world.apply(template=template(version))
    for values, seconds, wish in moments:
        world.values |= values
        if wish == "again":
            version += 1
            world.apply(template=template(version))
        elif wish:
            world.ask(wish)
        world.wait(seconds)
        seen.append(without_origin(world.status))
    return seen


def without_origin(status: Status) -> dict[str, Any]:
    said = status.dump()
    said.pop("accepted")
    for attempt in (said.get("rollout"), said.get("ended")):
        if attempt is not None:
            attempt.pop("first", None)
            attempt["analysis"].pop("preset", None)
    return said


@given(MOMENTS)
@settings(max_examples=8, deadline=None, derandomize=True, database=None)
def test_a_preset_decides_exactly_as_the_metrics_that_it_stands_for(moments: list[Any]) -> None:
    """In all attempts until one is completed: those are held against the first limits."""
    worlds = [installed(analysis(MINE)), installed(written_out(analysis(MINE), first=True))]
    # The install was under another analysis only in the limits that it was never held against.
    by_preset, by_hand = (played(world, moments) for world in worlds)
    completed = next((place for place, said in enumerate(by_preset) if len(stables(said)) > 1), len(by_preset))
    assert by_preset[:completed] == by_hand[:completed]


def stables(said: dict[str, Any]) -> list[str]:
    return [past["revision"] for past in said["history"] if past["outcome"] == "Completed"]


@cache
def after_the_first_rollout() -> tuple[World, World]:
    """Two worlds that go the same way every time: one with a preset, the other with its metrics written out."""
    worlds = installed(analysis(MINE)), installed(written_out(analysis(MINE), first=False))
    for world in worlds:
        world.values["mine"] = 0.0
        world.apply(template=template("second"))
        world.run()
        assert world.status.stable == world.name("second")
    return worlds


@given(MOMENTS)
@settings(max_examples=8, deadline=None, derandomize=True, database=None)
def test_it_does_so_with_the_usual_limits_too(moments: list[Any]) -> None:
    worlds = [world.copy() for world in after_the_first_rollout()]
    by_preset, by_hand = (played(world, moments) for world in worlds)
    for said in (*by_preset, *by_hand):
        # Of the attempt before, whose limits differed: its report stands until it is written.
        said.pop("ended", None)
    assert by_preset == by_hand
