"""What was recorded of a rollout, and read back from a file, decides the same at the same time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.engine.wants import MetricWants
from modelrollout.judges.threshold import PLUGIN as THRESHOLD
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.playback import Playback
from modelrollout.simulation.recorder import Recorder
from modelrollout.simulation.recording import read_recording
from modelrollout.simulation.trial import Setting, run_trial
from modelrollout.sources._base import Scope
from modelrollout.sources.prometheus import PLUGIN as PROMETHEUS
from modelrollout.sources.prometheus import PrometheusConfig
from tests.unit.simulation.worlds import BAD, GOOD, document, judged

SCOPE = Scope("team", "digits", "new", "new", "old", ())
AT = datetime(2026, 1, 1, tzinfo=UTC)
METRIC = MetricWants("queue", PROMETHEUS, PrometheusConfig(query="queue"), THRESHOLD, None)
COMPARED = [
    {"name": "errors", "router": {"signal": "errorRate"}, "compare": {"margin": {"absolute": 0.02}}},
    {"name": "slow", "router": {"signal": "latencySeconds"}, "compare": {"margin": {"absolute": 0.05}}},
]


async def recorded(setting, seed=7):
    lines = []
    outcome = await run_trial(replace(setting, record=lambda change: lines.append(change.line() + "\n")), seed)
    return outcome, "".join(lines)


@pytest.mark.parametrize("candidate", [GOOD, BAD], ids=["good", "bad"])
async def test_a_recorded_rollout_is_decided_the_same_at_the_same_time(candidate):
    analysis = {**judged(), "metrics": COMPARED}
    setting = Setting(document(analysis=analysis), rate=20.0, stable=GOOD, candidate=candidate)
    live, text = await recorded(setting)
    # Another seed and other versions: nothing but the recording may matter.
    again = await run_trial(replace(setting, candidate=GOOD, rate=1.0, recording=read_recording(text)), 8)
    assert again.verdict == live.verdict
    assert live.verdict.decision is (Decision.PROMOTED if candidate is GOOD else Decision.ROLLED_BACK)
    assert [moment.evidence for moment in again.moments] == [moment.evidence for moment in live.moments]


KEYS = st.sampled_from(
    [Key(arm, pod, "bad", part) for arm in ("new", "old-mirror") for pod in "ab" for part in ("", "x")]
)
SAMPLES = st.one_of(
    st.builds(
        lambda counters, lone: Sample(AT, counters, lone=lone),
        st.dictionaries(KEYS, st.integers(0, 9).map(float), min_size=1),
        st.sampled_from(["", "Nothing of stable.", "Still nothing."]),
    ),
    st.builds(lambda gauge: Sample(AT, gauge=float(gauge)), st.integers(-3, 3)),
    st.builds(lambda state: Sample(AT, state=state, message="Why."), st.sampled_from([State.ERROR, State.NO_METRIC])),
)


@given(st.lists(SAMPLES, min_size=1, max_size=8))
def test_every_sample_comes_back_as_it_was(samples):
    """Counters may fall, and come and go; gauges and states may take turns with them."""
    wants, lines = SimpleNamespace(scope=SCOPE), []
    recorder = Recorder(lambda change: lines.append(change.line() + "\n"))
    taken = [replace(sample, at=AT + timedelta(seconds=10 * number)) for number, sample in enumerate(samples)]
    for sample in taken:
        recorder.note(wants, METRIC, sample)
    other = SimpleNamespace(scope=replace(SCOPE, revision="third", stable="second"))
    playback = Playback(read_recording("".join(lines)), lambda *_: None)
    names = {"new": "third", "old-mirror": "second-mirror"}
    for sample in taken:
        moved = {key._replace(arm=names[key.arm]): value for key, value in sample.counters.items()}
        assert playback.put(other, METRIC, Sample(sample.at)) == replace(sample, counters=moved)


async def test_a_comparison_says_in_a_replay_too_why_it_has_no_number_of_stable():
    setting = Setting(document(analysis={**judged(), "metrics": COMPARED}), rate=20.0, stable=GOOD)
    _, text = await recorded(setting)
    half = [one for one in read_recording(text) if one.key is None or one.key.arm != "stable"]
    lonely = [replace(one, message="Nothing of stable.") if one.key is None else one for one in half]
    again = await run_trial(replace(setting, recording=tuple(lonely)), 8)
    assert again.verdict.decision is Decision.UNDECIDED
    assert "errors: Nothing of stable.; slow: Nothing of stable" in again.verdict.message


async def test_what_clients_met_is_told_from_the_recording():
    setting = Setting(document(analysis={**judged(), "metrics": COMPARED}), rate=20.0, stable=GOOD, candidate=BAD)
    live, text = await recorded(setting)
    again = await run_trial(replace(setting, recording=read_recording(text)), 8)
    for arm in ("candidate", "stable"):
        total, bad = again.tape.sums(arm)
        assert 0 < total <= live.tape.sums(arm)[0]
        assert bad <= live.tape.sums(arm)[1]
    assert again.tape.sums("candidate")[1] > 0
