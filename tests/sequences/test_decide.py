"""decide on what it has just decided changes nothing: whatever is in the way of a write, the next pass means the same."""

from dataclasses import replace
from datetime import datetime

import pytest

from modelrollout.controller import reconciler
from modelrollout.domain.observation import Limits, Observation
from modelrollout.domain.plan import Plan
from modelrollout.engine.decide import decide
from modelrollout.simulation.cluster import Cluster
from tests.sequences.scenarios import SCENARIOS

STORIES = ("canary_with_everything", "retried", "direct_blue_green", "invalid_edit")


@pytest.mark.parametrize("name", STORIES)
async def test_a_decision_that_was_persisted_is_decided_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(seen: Observation, limits: Limits, now: datetime) -> Plan:
        plan = decide(seen, limits, now)
        again = decide(replace(seen, status=plan.status), limits, now)
        assert again.status.dump() == plan.status.dump()
        assert again.events == ()
        return plan

    monkeypatch.setattr(reconciler, "decide", twice)

    await SCENARIOS[name].play(Cluster())
