import json
import math
from datetime import timedelta

import pytest

from modelrollout.domain.reading import Key, State
from modelrollout.errors import RolloutError
from modelrollout.simulation.agenda import START
from modelrollout.simulation.arrivals import Arrived
from modelrollout.simulation.envoy import Routes
from modelrollout.simulation.recording import LONGEST, Change, Entry, Replay, read_recording

NAN = math.nan


def entry(at, arm, total, bad):
    return {"at": at, "arm": arm, "total": total, "bad": bad}


def test_a_list_holds_increments():
    raw = [entry(20, "candidate", 5, 1), entry(10, "stable", 90, 0)]
    expected = (Entry(10, "stable", 90, 0), Entry(20, "candidate", 5, 1))
    assert read_recording(json.dumps(raw)) == expected
    assert read_recording(json.dumps({"increments": raw})) == expected


def test_totals_are_subtracted_and_a_fall_is_a_new_start():
    raw = [
        entry(10, "candidate", 5, 1),
        entry(20, "candidate", 9, 3),
        entry(30, "candidate", 4, 1),
        entry(10, "stable", 50, 2),
        entry(20, "stable", 100, 2),
    ]
    found = read_recording(json.dumps({"totals": raw}))
    assert [(one.total, one.bad) for one in found if one.arm == "candidate"] == [(5, 1), (4, 2), (4, 1)]
    assert [(one.total, one.bad) for one in found if one.arm == "stable"] == [(50, 2), (50, 0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is no JSON"),
        ("{}", "it is no list"),
        ("[]", "nothing in it is about the candidate"),
        (json.dumps([entry(1, "stable", 1, 0)]), "nothing in it is about the candidate"),
        ('[{"at": 1}]', "entry 0 does not hold at, arm, total and bad"),
        (json.dumps([entry(1, "canary", 1, 0)]), "its arm is 'canary'. Write candidate or stable."),
        ("[" * 100_000, "it is no JSON"),
        (json.dumps([entry(-1, "stable", 1, 0)]), "entry 0: its at is no number of seconds from 0"),
        (json.dumps([entry(True, "stable", 1, 0)]), "entry 0: its at is no number of seconds from 0"),
        (json.dumps([entry(1, "stable", 1, 0), entry(NAN, "stable", 1, 0)]), "entry 1: its at is no number"),
        ('[{"at": 1e400, "arm": "stable", "total": 1, "bad": 0}]', "entry 0: its at is no number"),
        (json.dumps([entry(LONGEST + 1, "stable", 1, 0)]), "entry 0: its at is no number"),
        (json.dumps([entry(1, "stable", True, 0)]), "no whole numbers"),
        (json.dumps([entry(1, "stable", 1.5, 0)]), "no whole numbers"),
        (json.dumps([entry(1, "stable", math.inf, 0)]), "no whole numbers"),
        (json.dumps([entry(1, "stable", 1, NAN)]), "no whole numbers"),
        (json.dumps([entry(1, "stable", 10**400, 1)]), "no whole numbers"),
        (json.dumps([entry(1, "stable", 1, 2)]), "bad is more than total"),
    ],
)
def test_what_is_no_recording_is_refused(text, words):
    with pytest.raises(RolloutError, match="Reading a recording") as found:
        read_recording(text)
    assert words in str(found.value)


def line(**parts):
    return json.dumps({"at": 1, "metric": "m", **parts}) + "\n"


COUNTER = {"arm": "candidate", "pod": "p", "series": "bad"}


def test_lines_tell_counters_gauges_and_states_and_are_read_as_they_were_written():
    changes = (
        Change(0.0, "m", Key("candidate", "p", "bad", "dark"), 3.0),
        Change(0.25, "m", Key("stable-mirror", "p", "bad")),
        Change(10.000021, "m", None, -2.5),
        Change(20.0, "m", state=State.ERROR, message="Asking Prometheus: no answer"),
        Change(30.0, "m"),
    )
    text = "".join(change.line() + "\n" for change in reversed(changes))
    assert read_recording(text) == changes


def test_a_last_line_that_was_cut_off_is_left_out():
    whole = line(**COUNTER, value=1)
    assert read_recording(whole + whole[:20]) == read_recording(whole)
    with pytest.raises(RolloutError, match="line 2 is no JSON"):
        read_recording(whole + whole[:20] + "\n" + whole)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"arm": "candidate", "value": 1},
        {**COUNTER, "value": -1},
        {**COUNTER, "value": "1"},
        {**COUNTER, "value": 1, "more": 1},
        {"gauge": 1, "state": "Value"},
        {"state": "Sleepy", "message": ""},
        {"state": "Value"},
        {"at": -1, "gauge": 1},
        {"at": NAN, "gauge": 1},
        {"at": math.inf, "gauge": 1},
        {"at": LONGEST + 1, "gauge": 1},
        {"at": True, "gauge": 1},
        {"gauge": NAN},
        {"gauge": -math.inf},
        {"gauge": 10**400},
        {**COUNTER, "value": NAN},
        {**COUNTER, "value": math.inf},
    ],
)
def test_a_line_that_tells_nothing_known_is_refused(parts):
    with pytest.raises(RolloutError, match="line 2 tells neither a counter, nor a gauge, nor a state"):
        read_recording(line(gauge=1) + line(**parts))


def test_each_entry_is_told_once_to_who_is_there():
    replay = Replay((Entry(5, "stable", 10, 1), Entry(6, "candidate", 2, 1), Entry(12, "candidate", 3, 0)))
    replay.stable = "a"
    routes = Routes("1", {"a": 90, "b": 10})
    assert replay.reach(routes, 1, START, START) == {}
    assert replay.ends is None
    replay.begin = START

    def until(seconds):
        return replay.reach(routes, 1, START, START + timedelta(seconds=seconds))

    assert until(10) == {"a": Arrived(10, 1), "b": Arrived(2, 1)}
    assert until(10) == {}
    assert until(20) == {"b": Arrived(3, 0)}
    assert replay.ends == START + timedelta(seconds=12)
