import io
import json

from tests.demo.recording import Bin, Recording
from tests.demo.watch import objects
from tests.traffic.record import Blame, Record, Report
from tests.unit.demo.recorded import whole_story


def test_a_recording_is_read_as_it_was_written(tmp_path):
    recording = whole_story()
    recording.total_ours = recording.ours[0]
    recording.save(tmp_path / "build/demo.json")

    assert Recording.load(tmp_path / "build/demo.json") == recording


def test_what_the_client_prints_is_what_is_counted():
    records = [
        Record(start=1.0, latency_ms=2.0, kind="short", result="200", blame=Blame.NOBODY, revision="r1", note="right"),
        Record(start=1.1, latency_ms=2.0, kind="short", result="200", blame=Blame.NOBODY, revision="r1", note="wrong"),
        Record(
            start=1.2, latency_ms=2.0, kind="short", result="200", blame=Blame.NOBODY, revision="r1", note="unreadable"
        ),
        Record(start=1.3, latency_ms=2.0, kind="short", result="500", blame=Blame.MODEL, revision="r3"),
        Record(start=1.4, latency_ms=2.0, kind="short", result="reset", blame=Blame.OURS),
    ]
    printed = json.loads(json.dumps(Report.of(records).as_dict()))

    found = Bin.of({"time": 2.0, "interval": 0.5, "first_model_error": 1.302, **printed})

    assert found == Bin(
        at=2.0,
        span=0.5,
        requests=5,
        ours=1,
        model=1,
        answers={"r1": 3, "r3": 1},
        errors={"r3": 1},
        right={"r1": 1},
        wrong={"r1": 2},
        first_error=1.302,
    )
    assert found.failed == 2


def test_a_watch_is_split_into_its_objects():
    printed = "".join(json.dumps({"metadata": {"n": n}, "list": [{"a": 1}]}, indent=4) + "\n" for n in range(3))

    assert [json.loads(text)["metadata"]["n"] for text in objects(io.StringIO(printed))] == [0, 1, 2]


def test_half_an_object_is_none():
    assert list(objects(io.StringIO('{\n    "metadata": {\n'))) == []
