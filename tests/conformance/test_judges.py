"""What holds for every judge: only a full window with a number concludes, and it counts once.

Of judges that weigh evidence: it alone concludes, never a failure, and what is stored of it can be read again.
"""

import itertools
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelrollout.api.modeldeployment import JUDGES
from modelrollout.domain.evidence import Evidence
from modelrollout.domain.reading import Reading, State
from modelrollout.domain.tally import Block, Crossed, Features, Histogram, Mean, Paired, Rate, Scores, Shares
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.judges._base import Question, Weigher
from tests.conformance.plugins import with_configs

EVERY = with_configs(JUDGES)
WEIGHING = [param for param in EVERY if param.values[0].weighs(param.values[1])]
CONFIGS = [param for param in EVERY if param not in WEIGHING]
BLOCKS = (
    Block(Rate(1.0, 10.0), Rate(3.0, 90.0), 10.0),
    Block(
        Histogram(((0.5, 3.0), (1.0, 6.0), (2.0, 9.0), (math.inf, 10.0))),
        Histogram(((0.5, 30.0), (1.0, 80.0), (2.0, 89.0), (math.inf, 90.0))),
        10.0,
    ),
    Block(Mean(9.0, 10.0), Mean(70.0, 90.0), 10.0),
    Block(Shares({"a": 4.0, "b": 6.0}), Shares({"a": 50.0, "b": 40.0}), 10.0),
    Block(Paired(1.0, 2.0, 1.0, 6.0), None, 10.0),
    Block(Scores({0.0: 1.0, 0.35: 2.0, 1.0: 7.0}, {-1.0: 1.0, 0.0: 2.0, 0.65: 1.0}), None, 10.0),
    Block(Crossed({(0, 0): 3.0, (0, 1): 2.0, (1, 2): 2.0, (2, 2): 1.0}), None, 10.0),
    Block(
        Features({"x": Histogram(((0.5, 30.0), (math.inf, 60.0))), "y": Shares({"a": 40.0, "b": 20.0})}, 60.0),
        Features({"x": Histogram(((0.5, 50.0), (math.inf, 90.0))), "y": Shares({"a": 60.0, "b": 30.0})}, 90.0),
        10.0,
        Features({"x": Histogram(((0.5, 500.0), (math.inf, 900.0))), "y": Shares({"a": 600.0, "b": 300.0})}, 900.0),
    ),
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = (0.0, 0.5, 1.0, 1e9, -1.0)


def reading(value: float | None, state: State = State.VALUE, *, closed: bool = True, minute: int = 0) -> Reading:
    return Reading("m", "e", NOW + timedelta(minutes=minute), state, value, 10, closed, "Why.")


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_nothing_is_concluded_without_a_full_window_that_has_a_number(plugin: Any, config: Any) -> None:
    for state, closed, value in itertools.product(State, (True, False), (*VALUES, None, float("nan"), float("inf"))):
        if state is State.VALUE and closed and value in VALUES:
            continue
        gate = plugin.judge(config, reading(value, state, closed=closed), None)
        assert gate.verdict is Verdict.UNDECIDED, (state, closed, value)
        assert gate.failures == 0
        assert gate.message


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_what_was_concluded_before_is_not_taken_over_into_a_state_without_a_number(plugin: Any, config: Any) -> None:
    for before, state in itertools.product(Verdict, [state for state in State if state is not State.VALUE]):
        old = Gate(name="m", verdict=before, state=State.VALUE, value=1.0, failures=1, at=NOW)
        gate = plugin.judge(config, reading(None, state, minute=1), old)
        assert gate.verdict is Verdict.UNDECIDED
        assert (gate.state, gate.value, gate.failures) == (state, None, 1)


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_reading_is_folded_once(plugin: Any, config: Any) -> None:
    for value in VALUES:
        gate = plugin.judge(config, reading(value), None)
        assert plugin.judge(config, reading(value), gate) == gate


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_gate_says_what_it_rests_on(plugin: Any, config: Any) -> None:
    for value in VALUES:
        gate = plugin.judge(config, reading(value), None)
        assert (gate.name, gate.state, gate.value, gate.requests, gate.at) == ("m", State.VALUE, value, 10, NOW)
        assert gate.limit
        assert bool(gate.message) is (gate.verdict is not Verdict.PASS)
        assert Gate.model_validate(gate.dump()) == gate


@pytest.mark.parametrize(("plugin", "config"), CONFIGS)
def test_a_verdict_that_stays_the_same_writes_nothing_new(plugin: Any, config: Any) -> None:
    """A row of failures that only grows would be a status write for each window, for ever."""
    for value in VALUES:
        gate: Gate | None = None
        for minute in range(101):
            gate = plugin.judge(config, reading(value, minute=minute), gate)
        last = plugin.judge(config, reading(value, minute=101), gate)
        assert gate is not None
        assert last.model_copy(update={"at": gate.at}) == gate


@pytest.mark.parametrize(("plugin", "config"), EVERY)
def test_what_it_refuses_has_a_path_and_a_remedy(plugin: Any, config: Any) -> None:
    assert plugin.min_requests(config) >= 0
    for counts, fraction in itertools.product((True, False), repeat=2):
        for forms in (frozenset(), *(frozenset({type(block.candidate)}) for block in BLOCKS)):
            for problem in plugin.problems(config, counts=counts, fraction=fraction, forms=forms):
                assert problem.path.startswith(plugin.name)
                assert problem.remedy.endswith(".")


@pytest.mark.parametrize(("plugin", "config"), EVERY)
def test_only_a_weigher_weighs(plugin: Any, config: Any) -> None:
    assert isinstance(plugin, Weigher) or not plugin.weighs(config)


@pytest.mark.parametrize(("plugin", "config"), WEIGHING)
def test_evidence_alone_makes_a_pass_and_never_a_failure(plugin: Any, config: Any) -> None:
    many = plugin.min_requests(config)
    for within, against, requests, state in itertools.product((-1.0, 2.9, 3.0), (-1.0, 99.0), (0, many), State):
        found = Evidence(within=within, against=against, candidate=0.5, stable=0.5, requests=requests)
        one = Reading("m", "e", NOW, state, 0.5, requests, message="Why.", evidence=found)
        gate = plugin.judge(config, one, None, beta=0.05)
        enough = state is State.VALUE and within == 3.0 and requests >= many
        assert gate.verdict is (Verdict.PASS if enough else Verdict.UNDECIDED)
        assert gate.message
        assert len(gate.limit) <= 63
        assert plugin.judge(config, one, gate, beta=0.05) == gate
        assert Gate.model_validate(gate.dump()) == gate
        assert plugin.blame_words(config, found, 0.05)


@pytest.mark.parametrize(("plugin", "config"), EVERY)
def test_what_is_not_required_holds_nothing_up_until_it_passes(plugin: Any, config: Any) -> None:
    found = Evidence(candidate=0.5, stable=0.5)
    gate = plugin.judge(config, Reading("m", "e", NOW, State.VALUE, 0.5, closed=False, evidence=found), None)
    assert gate.ignored is not plugin.required(config)


@pytest.mark.parametrize(("plugin", "config"), WEIGHING)
def test_without_evidence_nothing_is_concluded(plugin: Any, config: Any) -> None:
    for state, closed, value in itertools.product(State, (True, False), (*VALUES, None)):
        gate = plugin.judge(config, reading(value, state, closed=closed), None)
        assert (gate.verdict, gate.state, gate.message) == (Verdict.UNDECIDED, state, "Why.")


@pytest.mark.parametrize(("plugin", "config"), WEIGHING)
def test_a_ledger_is_a_value_that_json_can_keep(plugin: Any, config: Any) -> None:
    unknown = Question.unknown(0.05, 0.05, 360)
    for block in BLOCKS:
        form = type(block.candidate)
        if plugin.problems(config, counts=True, forms=frozenset({form})):
            continue
        assert form in plugin.forms(config)
        ledger = plugin.begin(config, Question(0.05, 0.05, 360, form, quantile=0.9))
        for one in (block, block, Block(block.candidate, None, 10.0, block.reference), block):
            before = plugin.dump(ledger)
            after = plugin.weigh(config, ledger, one, 1.5, 0.75)
            assert plugin.dump(ledger) == before, "weighing changes nothing in place"
            ledger = after
        found = plugin.evidence(config, ledger)
        assert Evidence.model_validate(found.dump()) == found
        loaded = plugin.load(config, unknown, json.loads(json.dumps(plugin.dump(ledger), allow_nan=False)))
        again = plugin.evidence(config, loaded)
        assert again.against <= found.against
        assert again.within <= found.within


@pytest.mark.parametrize(("plugin", "config"), WEIGHING)
@pytest.mark.parametrize("raw", [None, [], {}, "", 1, [None], [[]], {"version": 1}])
def test_a_ledger_that_is_none_is_refused(plugin: Any, config: Any, raw: Any) -> None:
    with pytest.raises(ValueError, match="ledger"):
        plugin.load(config, Question.unknown(0.05, 0.05, 360), raw)
