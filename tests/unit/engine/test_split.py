"""The split that was asked for against the one that is seen, by what routers counted."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.observation import PodSeen, RouterPodSeen
from modelrollout.domain.reading import Reading, State
from modelrollout.engine.split import Split, follow, mismatch, withhold
from modelrollout.engine.wants import Against, AnalysisWants, Comparison
from modelrollout.routers.envoy import PLUGIN as ENVOY
from modelrollout.sources._base import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope("n", "m", "c", "c", "s", ())


def asked(weight: int | None = 10, *, attempt: str = "1", split: str = "") -> AnalysisWants:
    comparison = Comparison(attempt, split or f"{weight}/0/True", Against.STABLE, weight, 0.05, 0.05, "")
    return AnalysisWants("e", timedelta(seconds=10), NOW, SCOPE, comparison, ENVOY, ())


class Routers:
    """Router pods that count, and the check that follows them."""

    def __init__(self, *pods: str, wants: AnalysisWants | None = None) -> None:
        self.wants = wants or asked()
        self.tries: dict[str, dict[str, int]] = {pod: {"c": 0, "s": 0} for pod in pods or ("r",)}
        self.retries: dict[str, dict[str, int]] = {pod: {} for pod in self.tries}
        self.silent: set[str] = set()
        self.split = Split()
        self.poll()

    def count(self, candidate: int, stable: int, pod: str = "r") -> None:
        for cluster, number in (("c", candidate), ("s", stable)):
            self.tries[pod][cluster] = self.tries[pod].get(cluster, 0) + number

    def begin_anew(self, pod: str = "r") -> None:
        self.tries[pod] = {"c": 0, "s": 0}

    def poll(self) -> str:
        seen = [
            RouterPodSeen(PodSeen(pod, pod), error="no answer")
            if pod in self.silent
            else RouterPodSeen(PodSeen(pod, pod), "1-x", at=NOW, tries=dict(tries), retries=dict(self.retries[pod]))
            for pod, tries in self.tries.items()
        ]
        self.split = follow(self.split, self.wants, seen)
        return mismatch(self.split, self.wants)

    @property
    def counted(self) -> float:
        return sum(number for series in self.split.grown.values() for number in series.values())

    def sent(self, candidate: int, stable: int, pod: str = "r") -> str:
        self.count(candidate, stable, pod)
        return self.poll()


@given(weight=st.integers(1, 99), polls=st.lists(st.integers(0, 50), max_size=30))
def test_a_split_in_the_asked_proportions_is_never_called_wrong(weight: int, polls: list[int]) -> None:
    routers = Routers(wants=asked(weight))
    for number in polls:
        assert not routers.sent(weight * number, (100 - weight) * number)


@pytest.mark.parametrize("weight", [1, 10, 50, 90])
def test_a_split_as_asked_is_hardly_ever_called_wrong(weight: int) -> None:
    def errs(seed: int) -> bool:
        draw, routers = random.Random(seed), Routers(wants=asked(weight))
        polls = (sum(draw.random() < weight / 100 for _ in range(50)) for _ in range(40))
        return any(routers.sent(candidate, 50 - candidate) for candidate in polls)

    assert sum(map(errs, range(300))) <= 1


@given(weight=st.integers(1, 99), seen=st.integers(0, 100))
def test_a_wrong_split_is_found_and_said_in_numbers(weight: int, seen: int) -> None:
    assume(seen != weight)
    routers = Routers(wants=asked(weight))
    requests, words = 0, ""
    # One percent more or less is seen after 50,000 requests wherever it is.
    while not words and requests < 100_000:
        words = routers.sent(10 * seen, 1000 - 10 * seen)
        requests += 1000
    assert words == f"The candidate should get {weight} % and gets {seen / 100:.1%} of {requests} requests."


def test_a_candidate_that_gets_nothing_is_found() -> None:
    routers = Routers()
    assert not routers.sent(0, 50)
    assert routers.sent(0, 150) == "The candidate should get 10 % and gets 0.0% of 200 requests."


def test_what_was_counted_before_the_split_is_none_of_it() -> None:
    routers = Routers()
    routers.count(0, 100_000)
    routers.split = Split()
    assert not routers.poll()
    assert not routers.sent(10, 90)


@pytest.mark.parametrize("wants", [asked(50), asked(attempt="2"), asked(split="10/100/True")])
def test_another_split_or_attempt_begins_anew(wants: AnalysisWants) -> None:
    routers = Routers()
    assert routers.sent(900, 100)
    routers.wants = wants
    assert not mismatch(routers.split, wants), "what was seen is of another split"
    assert not routers.poll()
    share = wants.comparison.weight or 0
    assert not routers.sent(share, 100 - share)
    assert routers.sent(0, 1000)


def test_while_routes_change_nothing_is_counted() -> None:
    routers = Routers()
    routers.sent(500, 500)
    routers.wants = asked(None)
    assert not routers.sent(900, 100)
    assert routers.split == Split()
    routers.wants = asked()
    assert not routers.sent(900, 100), "the first answers say where to count from"
    assert routers.sent(900, 100)


def test_nothing_is_followed_where_nothing_is_measured() -> None:
    routers = Routers()
    routers.sent(10, 90)
    assert follow(routers.split, None, []) == Split()


def test_tries_of_one_request_are_one_request() -> None:
    routers = Routers()
    for _ in range(50):
        routers.count(30, 90)
        routers.retries["r"]["c"] = routers.retries["r"].get("c", 0) + 20
        assert not routers.poll()


def test_a_request_that_waits_for_its_next_try_does_not_look_like_a_restart() -> None:
    routers = Routers()
    routers.sent(10_000, 90_000)
    for number in range(1, 50):
        routers.retries["r"]["c"] = number
        assert not routers.poll()
        assert not routers.sent(1, 0), "now it is made"
    assert not routers.sent(10, 90)


def test_a_router_that_begins_anew_counts_from_nothing() -> None:
    routers = Routers()
    routers.sent(1000, 9000)
    for number in (300, 200, 100):
        routers.begin_anew()
        assert not routers.sent(number, 9 * number)
    assert routers.counted == 16_000


def test_routers_that_come_and_go_are_counted_from_their_first_answer() -> None:
    routers = Routers("r", "q")
    routers.sent(10, 90, "q")
    del routers.tries["q"]
    routers.sent(10, 90)
    routers.tries["new"] = {"c": 5000, "s": 0}
    routers.retries["new"] = {}
    assert not routers.sent(10, 90)
    assert not routers.sent(10, 90, "new")
    assert routers.counted == 400


def test_a_router_that_does_not_answer_for_a_while_is_counted_when_it_is_back() -> None:
    routers = Routers("r", "q")
    routers.sent(1, 9, "q")
    routers.silent = {"q"}
    routers.sent(100, 900, "q")
    assert routers.counted == 10
    routers.silent = set()
    assert not routers.poll()
    assert routers.counted == 1010


def test_one_router_of_two_with_another_split_is_enough() -> None:
    routers = Routers("r", "q")
    for _ in range(20):
        routers.count(100, 900)
        words = routers.sent(500, 500, "q")
    assert "should get 10 % and gets 30.0%" in words


def test_other_clusters_do_not_matter() -> None:
    routers = Routers()
    for _ in range(50):
        routers.tries["r"]["c-mirror"] = routers.tries["r"].get("c-mirror", 0) + 1000
        assert not routers.sent(10, 90)


EVIDENCE = Evidence(against=1.0, within=9.0, candidate=0.01, requests=5)
READING = Reading("errors", "e", NOW, State.VALUE, 0.01, 5, evidence=EVIDENCE)


@pytest.mark.parametrize("state", [State.VALUE, State.NO_TRAFFIC])
def test_a_number_is_withheld_and_its_evidence_is_not(state: State) -> None:
    found = withhold(READING._replace(state=state), "It gets more.")
    assert (found.state, found.value, found.message) == (State.MISMATCH, None, "It gets more.")
    assert found.evidence == EVIDENCE


@pytest.mark.parametrize(
    "reading",
    [READING._replace(closed=False), *(READING._replace(state=state) for state in (State.ERROR, State.NO_METRIC))],
)
def test_what_says_nothing_yet_goes_on_saying_why(reading: Reading) -> None:
    assert withhold(reading, "It gets more.") == reading


def test_of_a_split_as_asked_nothing_is_withheld() -> None:
    assert withhold(READING, "") == READING
