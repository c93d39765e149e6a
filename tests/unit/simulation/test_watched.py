"""What simulated routers observe of all requests: the laws of the inputs, and what each version answers."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from modelrollout.domain.capture import Capture, Extraction, Feature, Observed, Part, Protocol
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.watched import Law, Watched

START = datetime(2026, 1, 1, tzinfo=UTC)
DARK = Part(name="light=dark", header="x-light", value="dark")
DARKER = Law("brightness", lambda quantile, at, revision: 100 * quantile - (at - START).total_seconds() / 100)
GONE = Law("income", lambda quantile, at, revision: None if quantile < 0.25 and revision == "c" else 1000.0)
MIX = Mix(parts=(("light=dark", 0.25),), positives=0.3, inputs=(DARKER, GONE))


def capture(protocol: Protocol = Protocol.OPEN_INFERENCE, **fields: Any) -> Capture:
    observed = Observed(percent=10, output=Extraction(path="y"))
    return Capture(**{"stable": "s", "protocol": protocol, "parts": (DARK,), "observed": observed, **fields})


def watched(asked: Capture, random: Random | None = None) -> Watched:
    found = Watched(random)
    found.obey(asked)
    return found


def rows(found: Watched, arm: str, part: str = "") -> dict[str, float]:
    return {series: value for name, where, series, value in found.page()["observed"] if (name, where) == (arm, part)}


@pytest.mark.parametrize("protocol", [Protocol.OPEN_INFERENCE, Protocol.KSERVE_V1, Protocol.HTTP])
@pytest.mark.parametrize("random", [None, Random(3)])
def test_requests_are_as_the_laws_say(protocol: Protocol, random: Random | None) -> None:
    it = watched(capture(protocol, candidate="c"), random)
    for revision in ("s", "c"):
        it.answered(revision, Behaviour(), MIX, 0.0, 10_000, START)
    for revision, missing in (("s", 0.0), ("c", 0.25)):
        found = rows(it, revision)
        assert found["requests"] == pytest.approx(10_000)
        assert found["in/income/count"] == pytest.approx(10_000)
        assert found.get("in/income/missing", 0) / 10_000 == pytest.approx(missing, abs=0.02)
        assert found["out/is=positive"] / 10_000 == pytest.approx(0.3, abs=0.02)
        assert rows(it, revision, "light=dark")["requests"] / 10_000 == pytest.approx(0.25, abs=0.02)
        assert rows(it, revision, "light=dark")["in/brightness/count"] / 10_000 == pytest.approx(0.25, abs=0.02)


def test_a_law_may_change_with_time() -> None:
    named = Feature(name="brightness", path="image.brightness", low=0, high=100)
    asked = capture(observed=Observed(features=(named,)))
    before, after = watched(asked), watched(asked)
    before.answered("s", Behaviour(), MIX, 0.0, 1000, START)
    after.answered("s", Behaviour(), MIX, 0.0, 1000, START + timedelta(hours=1))
    assert "in/brightness/at=0" not in rows(before, "s")
    assert rows(after, "s")["in/brightness/at=0"] == pytest.approx(350), "36 units darker"


def test_a_copy_counts_for_its_mirror_and_only_by_its_answers() -> None:
    it = watched(capture(candidate="c"))
    it.answered("c-mirror", Behaviour(differs=1.0), MIX, 0.0, 100, START)
    found = rows(it, "c-mirror")
    assert found["out/is=negative"] == pytest.approx(30)
    assert not any(series.startswith("in/") for series in found)


def test_a_revision_that_stays_keeps_its_counters() -> None:
    it = watched(capture())
    it.answered("s", Behaviour(), MIX, 0.0, 100, START)
    it.obey(capture(candidate="c"))
    assert rows(it, "s")["requests"] == pytest.approx(100)
    it.obey(capture(stable="c"))
    assert rows(it, "c") == {"requests": 0}
    it.obey(None)
    assert it.page() == {}
