"""What clients of a simulated cluster ask becomes another thing: when it should, as far as it should, and for whom it should."""

import pytest

from modelrollout.simulation.agenda import START
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.shifts import Course, InputShift, ShareShift, Shift, Spread, begin, laws

AGE = Spread(20, 60)
OLDER = Spread(40, 80)


def middles(cluster):
    """Return the median age in requests to stable and to the candidate."""
    (law,) = cluster.traffic.mix.inputs
    return [law.value(0.5, START, revision) for revision in ("stable", "candidate")]


async def after(seconds: float, *shifts: Shift) -> Cluster:
    cluster = Cluster()
    cluster.traffic.mix = Mix(inputs=laws([("age", AGE)], "candidate"))
    begin(shifts, cluster)
    await cluster.run(seconds)
    return cluster


def test_nineteen_of_twenty_values_are_between_both():
    assert AGE.value(0.5) == 40
    assert (AGE.value(0.025), AGE.value(0.975)) == (pytest.approx(20), pytest.approx(60))


async def test_a_step_comes_at_its_time():
    step = InputShift("age", OLDER, Course(at=60))
    assert middles(await after(59, step)) == [40, 40]
    assert middles(await after(60, step)) == [60, 60]


async def test_a_ramp_comes_bit_by_bit_and_stays_where_it_ends():
    ramp = InputShift("age", OLDER, Course(at=60, over=100))
    assert middles(await after(110, ramp)) == [pytest.approx(50), pytest.approx(50)]
    assert middles(await after(160, ramp)) == [pytest.approx(60), pytest.approx(60)]
    assert middles(await after(1000, ramp)) == [pytest.approx(60), pytest.approx(60)]


async def test_the_requests_of_the_candidate_alone_may_be_others():
    assert middles(await after(60, InputShift("age", OLDER, Course(), alone=True))) == [40, 60]


async def test_shares_go_where_they_should():
    cluster = await after(
        100, ShareShift("positives", 0.9, Course(over=200)), ShareShift("concept", 0.3, Course(at=20))
    )
    assert cluster.traffic.mix.positives == pytest.approx(0.7)
    assert cluster.traffic.mix.concept == 0.3


def test_a_version_turns_into_another_bit_by_bit():
    good, bad = Behaviour(), Behaviour(errors=0.2, differs=0.5, differs_in=(("dark", 1.0),), always="negative")
    half = good.towards(bad, 0.5)
    assert half == Behaviour(errors=0.1, differs=0.25, differs_in=(("dark", 0.5),))
    assert half.towards(bad, 1.0) == bad
