"""A ramp climbs as far as its budget reaches, and says why it does not."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.engine.ramp import (
    afforded_to,
    can_be_afforded,
    ends_when,
    first_rung_risk,
    next_rung,
    risk,
    rungs_above,
    why_it_stays,
)
from modelrollout.strategies import canary


def ramp(**config: Any) -> tuple[Stage, ...]:
    return canary.PLUGIN.stages(canary.CanaryConfig.model_validate({"shadow": {"hold": "1m"}, "ramp": config}))


# After the shadow: 1, 2, 5, 10, 20, 50 %.
RAMP = ramp()
FIRST, LAST = 1, 6


@pytest.mark.parametrize(
    ("index", "upper", "rps", "weight"),
    [
        (FIRST, None, 50, None),
        (FIRST, None, 25, 2),
        (FIRST, None, 0.5, 50),
        (FIRST, 1.0, 25, 2),
        (FIRST, 0.1, 50, 10),
        (FIRST, 0.02, 50, 50),
        (FIRST, 0.1, 100, 5),
        (3, 0.1, 100, None),
        (3, 0.1, 50, 10),
        (5, 0.02, 50, 50),
        (FIRST, 0.0, 1e9, 50),
        (FIRST, -0.01, 1e9, 50),
    ],
)
def test_it_goes_to_the_largest_weight_that_it_can_afford(
    index: int, upper: float | None, rps: float, weight: int | None
) -> None:
    found = next_rung(RAMP, index, upper, rps)
    assert (None if found is None else RAMP[found].weight) == weight


@pytest.mark.parametrize("rps", [None, 0.0, float("nan")])
def test_it_stays_where_nobody_knows_how_many_requests_there_are(rps: float | None) -> None:
    assert next_rung(RAMP, FIRST, 0.0, rps) is None


@pytest.mark.parametrize("upper", [None, 1.5, float("nan"), float("inf")])
def test_a_bound_that_says_nothing_is_one(upper: float | None) -> None:
    assert risk(RAMP[LAST], upper, 10) == risk(RAMP[LAST], 1.0, 10) == 300


@pytest.mark.parametrize("upper", [None, -0.1, 0.0, 0.02, 0.1, 1.0, 1.5])
@pytest.mark.parametrize("rps", [None, 0.0, 0.5, 25.0, 60.0, 1e9])
def test_a_poll_wakes_the_rollout_when_the_next_rung_can_be_afforded(upper: float | None, rps: float | None) -> None:
    evidence = Evidence(high=upper, per_second=rps, stable_per_second=rps and 0.0)
    heard = can_be_afforded(evidence, afforded_to(RAMP, FIRST))
    assert heard is (next_rung(RAMP, FIRST, upper, rps) is not None)


@pytest.mark.parametrize("index", [0, LAST, LAST + 1])
def test_from_a_shadow_the_last_rung_and_full_the_ordinary_rules_lead_on(index: int) -> None:
    assert rungs_above(RAMP, index) == ()
    assert next_rung(RAMP, index, 0.0, 1.0) is None
    assert why_it_stays(RAMP, index, None, None) == ""
    assert ends_when(RAMP, index) == ""


def test_steps_are_no_rungs() -> None:
    steps = (Stage(StageKind.STEP, "step 1/2", 1), Stage(StageKind.STEP, "step 2/2", 2))
    assert next_rung(steps, 0, 0.0, 1.0) is None
    assert first_rung_risk(steps) == ""


bounds = st.one_of(st.none(), st.floats(-1, 1))
rates = st.one_of(st.none(), st.floats(0, 1e5))
budgets = st.floats(0.1, 1e4)
indices = st.integers(0, LAST + 1)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(index=indices, upper=bounds, rps=rates, budget=budgets)
def test_it_climbs_and_risks_at_most_its_budget(
    index: int, upper: float | None, rps: float | None, budget: float
) -> None:
    stages = ramp(budget=budget)
    found = next_rung(stages, index, upper, rps)
    if found is None:
        assert bool(why_it_stays(stages, index, upper, rps)) is bool(rungs_above(stages, index))
        return
    assert rps is not None
    assert found in rungs_above(stages, index)
    assert stages[found].weight > stages[index].weight
    assert (1.0 if upper is None else upper) * rps * stages[found].weight * 0.6 <= budget * (1 + 1e-12)
    # And it is the largest one.
    assert all(risk(stages[later], upper, rps) > budget for later in rungs_above(stages, found))
    assert why_it_stays(stages, index, upper, rps) == ""


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    index=indices,
    uppers=st.tuples(bounds, bounds),
    rates=st.tuples(st.floats(0.01, 1e5), st.floats(0.01, 1e5)),
    budgets=st.tuples(budgets, budgets),
)
def test_more_budget_and_less_risk_never_climb_less(
    index: int,
    uppers: tuple[float | None, float | None],
    rates: tuple[float, float],
    budgets: tuple[float, float],
) -> None:
    low, high = sorted(uppers, key=lambda upper: 1.0 if upper is None else upper)
    boldly = next_rung(ramp(budget=max(budgets)), index, low, min(rates))
    warily = next_rung(ramp(budget=min(budgets)), index, high, max(rates))
    assert (boldly or 0) >= (warily or 0)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(reports=st.lists(st.tuples(bounds, rates), max_size=30), config=st.builds(dict, max=st.integers(1, 99)))
def test_whatever_it_is_told_it_never_goes_down(
    reports: list[tuple[float | None, float | None]], config: dict[str, Any]
) -> None:
    stages, index = ramp(**config), FIRST
    for upper, rps in reports:
        found = next_rung(stages, index, upper, rps)
        assert found is None or found > index
        index = found or index
    assert stages[index].budget is not None


@pytest.mark.parametrize(
    ("index", "upper", "rps", "words"),
    [
        (
            3,
            0.08,
            100,
            "ramp 5 %: 10 % could cost 48 bad requests a minute (upper bound 8 pp at 100 requests/s); budget 30",
        ),
        (
            FIRST,
            None,
            1000,
            "ramp 1 %: 2 % could cost 1200 bad requests a minute (nothing is known yet at 1000 requests/s); budget 30",
        ),
        (3, 0.5, None, "ramp 5 %: how many requests arrive is unknown, so nothing says what 10 % could cost"),
        (3, 0.5, 0, "ramp 5 %: no requests arrive, so nothing says what 10 % could cost"),
        (3, 0.01, 1, ""),
    ],
)
def test_it_says_why_it_stays(index: int, upper: float | None, rps: float | None, words: str) -> None:
    assert why_it_stays(RAMP, index, upper, rps) == words


def test_it_says_beforehand_when_a_rung_ends_and_what_the_first_may_cost() -> None:
    assert ends_when(RAMP, FIRST) == "when 2 % risks at most 30 bad requests a minute"
    assert first_rung_risk(RAMP) == (
        "The first rung of the ramp, 1 %, is entered whatever it risks: a candidate that fails altogether costs more than "
        "30 bad requests a minute there when more than 50 requests/s arrive."
    )
