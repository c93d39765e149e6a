"""The text that keeps a reference, and what is learnt."""

import json
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.reading import Key, Sample, State
from modelrollout.domain.tally import Features, Histogram, Shares
from modelrollout.engine.reference import Entry, Learning, dump, learn, parse
from tests.unit.engine.world import START

COUNTS = st.integers(0, 10**6).map(float)
SHARES = st.dictionaries(st.text(max_size=8), COUNTS, min_size=1, max_size=4).map(Shares)
BOUNDS = st.lists(st.floats(-1e6, 1e6, allow_nan=False), unique=True, max_size=6).map(sorted)


@st.composite
def histograms(draw):
    bounds = [*draw(BOUNDS), math.inf]
    counts, so_far = [], 0.0
    for bound in bounds:
        so_far += draw(COUNTS)
        counts.append((bound, so_far))
    return Histogram(tuple(counts))


ENTRIES = st.builds(
    Entry,
    st.text(max_size=10),
    st.just(START),
    st.builds(Features, st.dictionaries(st.text(max_size=8), SHARES | histograms(), max_size=3), COUNTS),
)


@given(st.dictionaries(st.text(max_size=10), ENTRIES, max_size=3))
def test_what_is_written_is_read_again(entries):
    assert parse(dump(entries)) == entries


def test_the_text_is_what_the_docs_say():
    features = Features({"age": Histogram(((10.0, 3.0), (math.inf, 4.0))), "colour": Shares({"red": 4.0})}, 4.0)
    assert json.loads(dump({"asked": Entry("r", START, features)})) == {
        "v": 1,
        "metrics": {
            "asked": {
                "revision": "r",
                "at": START.isoformat(),
                "requests": 4,
                "counts": {"age": {"at=10.0": 3, "at=inf": 1}, "colour": {"is=red": 4}},
            }
        },
    }


def test_a_person_may_leave_out_the_last_bound_and_the_revision():
    text = '{"v":1,"metrics":{"m":{"at":"2026-01-01T00:00:00Z","requests":5,"counts":{"age":{"at=20":2,"at=10":3}}}}}'
    entry = parse(text)["m"]
    assert entry.revision == ""
    assert entry.features.counts["age"] == Histogram(((10.0, 3.0), (20.0, 5.0), (math.inf, 5.0)))


def written(**changes):
    entry = {"revision": "r", "at": START.isoformat(), "requests": 1, "counts": {"age": {"at=1": 1}}, **changes}
    return json.dumps({"v": 1, "metrics": {"m": entry}})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting"),
        ("[]", "no reference of version 1"),
        ('{"v":2,"metrics":{}}', "no reference of version 1"),
        (written(counts=None), "m has no counts"),
        (written(at="yesterday"), "m has no time"),
        (written(at="2026-01-01T00:00:00"), "m has no time"),
        (written(requests=-1), "m, requests is no count"),
        (written(counts={"age": {}}), "m, age is empty"),
        (written(counts={"age": {"at=x": 1}}), "m, age: x is no bound"),
        (written(counts={"age": {"at=1": "many"}}), "m, age, at=1 is no count"),
        (written(counts={"age": {"at=1": 1, "is=a": 1}}), "m, age mixes at= and is="),
    ],
)
def test_what_is_none_says_where(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_only_one_arm_is_learnt_and_no_part_of_the_traffic():
    def sample(minute, value, state=State.VALUE):
        keys = (Key("one", "r", "x"), Key("two", "r", "x"), Key("one", "r", "x", "eu"))
        return Sample(START + timedelta(minutes=minute), dict.fromkeys(keys, value), state=state)

    counted = Learning()
    for minute, (value, state) in enumerate(
        [(5.0, State.VALUE), (8.0, State.VALUE), (0.0, State.ERROR), (9.0, State.VALUE), (2.0, State.VALUE)]
    ):
        counted = learn(counted, sample(minute, value, state), "one")
    # The last one is of a pod that has begun anew.
    assert counted.sums == {Key("one", "", "x"): 3.0 + 1.0 + 2.0}
