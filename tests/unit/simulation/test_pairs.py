"""Simulated collectors: every counter is the real collector's, and each kind of request comes as often as it should."""

from random import Random
from typing import Any

import pytest

from modelrollout.collector.collector import Collector
from modelrollout.domain.capture import Capture, Extraction, Part, Protocol
from modelrollout.domain.capture import Kind as Form
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.kinds import NEGATIVE, Kind, Meeting, Mix, kinds
from modelrollout.simulation.pairs import Pairs

LABEL = Extraction()
DARK = Part(name="light=dark", header="x-light", value="dark")
WELL = Behaviour()


def capture(*extractions: Extraction, **changes: Any) -> Capture:
    found = extractions or (LABEL,)
    return Capture(**{"stable": "s", "candidate": "c", "protocol": Protocol.KSERVE_V1, "extractions": found, **changes})


def collected(asked: Capture, meeting: Meeting, requests: float = 10_000, random: Random | None = None) -> Pairs:
    pairs = Pairs(random)
    pairs.obey(asked)
    pairs.copied(meeting, requests)
    return pairs


def counters(pairs: Pairs, part: str = "", extraction: Extraction = LABEL) -> dict[str, float]:
    rows = pairs.page()["counters"]
    return {series: value for key, name, series, value in rows if (key, name) == (extraction.key, part)}


def kappa(found: dict[str, float]) -> float:
    cells = [(series.split("/")[1:], number) for series, number in found.items() if series.startswith("kappa/")]
    direct, crossed = (sum(int(names[side]) * number for names, number in cells) for side in (0, 1))
    return 1 - direct / crossed


@pytest.mark.parametrize("random", [None, Random(1)])
def test_so_many_requests_differ_as_the_behaviour_says(random: Random | None) -> None:
    found = counters(collected(capture(), Meeting(Mix(), WELL, Behaviour(differs=0.2)), random=random))
    assert found["pairs"] == 10_000
    assert found["score/0"] / 10_000 == pytest.approx(0.2, abs=0.015)
    assert found["score/0"] + found["score/1"] == 10_000


def test_without_chance_any_stretch_of_requests_has_its_share() -> None:
    pairs = collected(capture(), Meeting(Mix(), WELL, Behaviour(differs=0.3)), 0)
    for number in range(1, 40):
        pairs.copied(Meeting(Mix(), WELL, Behaviour(differs=0.3)), 50)
        assert counters(pairs)["score/0"] == pytest.approx(15 * number, abs=7)


def test_a_candidate_that_knows_one_label_agrees_often_and_has_no_kappa() -> None:
    meeting = Meeting(Mix(positives=0.01), WELL, Behaviour(always=NEGATIVE))
    found = counters(collected(capture(), meeting, 100_000, Random(2)))
    assert found["score/1"] / found["pairs"] == pytest.approx(0.99, abs=0.003)
    assert kappa(found) == pytest.approx(0, abs=0.05)
    good = counters(collected(capture(), Meeting(Mix(positives=0.01), WELL, WELL), 100_000, Random(2)))
    assert kappa(good) == 1


def test_noise_makes_both_answers_vary_and_shows_in_what_stable_says_twice() -> None:
    noisy = Behaviour(noise=0.05)
    found = counters(collected(capture(baseline=50), Meeting(Mix(), noisy, noisy, again=0.5), random=Random(3)))
    assert found["score/0"] / found["pairs"] == pytest.approx(2 * 0.05 * 0.95, abs=0.02)
    beyond = {series: number for series, number in found.items() if series.startswith("beyond/")}
    assert sum(beyond.values()) == pytest.approx(5000, abs=200)
    assert beyond["beyond/1"] == pytest.approx(beyond["beyond/-1"], rel=0.3)


def test_a_slice_has_its_share_of_the_requests_and_its_own_behaviour() -> None:
    mix = Mix(parts=(("light=dark", 0.1),))
    pairs = collected(capture(parts=(DARK,)), Meeting(mix, WELL, Behaviour(differs_in=(("light=dark", 0.5),))))
    dark = counters(pairs, "light=dark")
    assert dark["pairs"] == pytest.approx(1000, abs=20)
    assert dark["score/0"] == pytest.approx(500, abs=20) == counters(pairs)["score/0"]


@pytest.mark.parametrize(
    "part",
    [
        DARK,
        Part(name="p", path="inputs[0].light", value="dark"),
        Part(name="p", path="age", high=18.0),
        Part(name="p", header="x-age", low=18.0, high=65.0),
        Part(name="p", path="age", low=65.0),
    ],
)
def test_requests_belong_to_the_part_that_they_should(part: Part) -> None:
    mix = Mix(parts=((part.name, 1.0),))
    assert counters(collected(capture(parts=(part,)), Meeting(mix, WELL, WELL)), part.name)["pairs"] == 10_000


@pytest.mark.parametrize(
    ("protocol", "extraction"),
    [
        *((protocol, Extraction(kind=kind, path="a.b[0].c")) for protocol in Protocol for kind in Form),
        *((Protocol.KSERVE_V1, Extraction(kind=kind)) for kind in Form),
        *((Protocol.OPEN_INFERENCE, Extraction(kind=kind)) for kind in (Form.LABEL, Form.NUMBER, Form.TEXT)),
        *((Protocol.OPEN_AI, Extraction(kind=kind)) for kind in (Form.LABEL, Form.TEXT)),
    ],
)
def test_answers_of_all_protocols_hold_what_is_looked_for(protocol: Protocol, extraction: Extraction) -> None:
    asked = capture(extraction, protocol=protocol)
    found = counters(collected(asked, Meeting(Mix(), WELL, Behaviour(differs=0.25))), extraction=extraction)
    assert not [series for series, number in found.items() if series.startswith("skipped/") and number]
    assert found["score/0"] == pytest.approx(2500, abs=20)


def test_errors_and_empty_answers_are_bad_and_silence_makes_no_pair() -> None:
    found = counters(collected(capture(), Meeting(Mix(), WELL, Behaviour(errors=0.1, empty=0.2))))
    assert found["bad/error/candidate"] == pytest.approx(1000, abs=20)
    assert found["bad/empty/candidate"] == pytest.approx(1800, abs=20)
    assert found["bad/error/stable"] == found["bad/error/both"] == 0
    silent = collected(capture(), Meeting(Mix(), WELL, Behaviour(hangs=True)))
    assert counters(silent)["pairs"] == 0
    assert silent.page()["totals"]["unpaired"] == 10_000


def test_ten_requests_that_differ_are_shown_each_with_its_own_id() -> None:
    asked = capture(keep_bodies=True)
    pairs = collected(asked, Meeting(Mix(), WELL, Behaviour(differs=0.5)), 10)
    for _ in range(20):
        pairs.copied(Meeting(Mix(), WELL, Behaviour(differs=0.5)), 10)
        shown = pairs.page()["examples"][LABEL.key]
    assert len({example["id"] for example in shown}) == len(shown) == 10
    assert all(example["stable"] != example["candidate"] for example in shown)


def test_other_revisions_begin_at_nothing_and_another_question_keeps_what_is_still_asked() -> None:
    pairs = collected(capture(), Meeting(Mix(), WELL, WELL))
    assert counters(pairs)["pairs"] == 10_000
    number = Extraction(kind=Form.NUMBER)
    pairs.obey(capture(LABEL, number))
    assert (counters(pairs)["pairs"], counters(pairs, extraction=number)["pairs"]) == (10_000, 0)
    pairs.copied(Meeting(Mix(), WELL, WELL), 100)
    assert (counters(pairs)["pairs"], counters(pairs, extraction=number)["pairs"]) == (10_100, 100)
    pairs.obey(capture(candidate="d"))
    assert counters(pairs)["pairs"] == 0


def test_its_page_is_one_of_the_real_collector() -> None:
    page = collected(capture(parts=(DARK,)), Meeting(Mix(), WELL, WELL), 2).page()
    real = Collector(capture(parts=(DARK,))).page()
    assert page.keys() == real.keys()
    rows = [row for row in page["counters"] if row[2] in {name for _, _, name, _ in real["counters"]}]
    assert [row[:3] for row in rows] == [row[:3] for row in real["counters"]]


@pytest.mark.parametrize("again", [0.0, 0.3])
def test_the_shares_of_all_kinds_are_everything(again: float) -> None:
    mix = Mix(parts=(("a", 0.2), ("b", 0.3)), positives=0.1)
    worst = Behaviour(errors=0.1, differs=0.2, differs_in=(("a", 0.9),), noise=0.3, empty=0.4)
    found = kinds(Meeting(mix, Behaviour(noise=0.1), worst, 0.05, again))
    assert sum(found.values()) == pytest.approx(1)
    assert Kind("", "positive", "positive") in found
