"""All metrics together: one chance of a false rollback, and somebody to blame."""

import math
from dataclasses import replace
from random import Random

import pytest

from modelrollout.domain.evidence import Evidence
from modelrollout.domain.verdict import Gate, Mode, Verdict
from modelrollout.engine.catastrophe import limit
from modelrollout.engine.verdicts import Panel, against, combine

ALPHA = 0.05
PROOF = math.log(1 / ALPHA)


def gate(name: str, value: float, verdict: Verdict = Verdict.UNDECIDED, slices: tuple[float, ...] = ()) -> Gate:
    parts = tuple(Evidence(slice=f"s{index}", against=found) for index, found in enumerate(slices))
    return Gate(name=name, verdict=verdict, state="Value", evidence=Evidence(against=value), slices=parts)


def replace_evidence(one: Gate, **changes: bool) -> Gate:
    assert one.evidence is not None
    return one.model_copy(update={"evidence": one.evidence.model_copy(update=changes)})


def combined(*gates: Gate, panel: Panel | None = None, **guards: float) -> list[Gate]:
    words = lambda name, evidence: f"{name} is worse{evidence.slice}"  # noqa: E731  # one line of words
    return list(combine(gates, guards, ALPHA, words, panel or Panel()).gates)


def test_nothing_happens_below_the_limit() -> None:
    before = [gate("errors", 1.0), gate("latency", 0.5, Verdict.PASS)]
    assert combined(*before) == before


def test_one_metric_must_speak_louder_the_more_there_are() -> None:
    alone = combined(gate("errors", PROOF + 0.2))
    assert alone[0].verdict is Verdict.FAIL
    among = combined(gate("errors", PROOF + 0.2), *(gate(f"m{index}", 0.0) for index in range(9)))
    assert all(each.verdict is not Verdict.FAIL for each in among)
    louder = combined(gate("errors", PROOF + 2.6), *(gate(f"m{index}", 0.0) for index in range(9)))
    assert [each.name for each in louder if each.verdict is Verdict.FAIL] == ["errors"]


def test_who_has_not_spoken_yet_has_its_weight_all_the_same() -> None:
    loud = gate("errors", PROOF + 0.2)
    silent = [loud.model_copy(update={"name": name, "evidence": None}) for name in ("a", "b", "c")]
    assert combined(loud)[0].verdict is Verdict.FAIL
    assert combined(loud, *silent, panel=Panel(metrics=4))[0].verdict is Verdict.UNDECIDED
    assert against([loud, *silent], Panel(4)) == against(
        [loud, *(gate(name, 0.0) for name in ("a", "b", "c"))], Panel(4)
    )
    assert combined(loud, panel=Panel(metrics=1, parts=6))[0].verdict is Verdict.UNDECIDED


def test_who_cannot_speak_in_this_stage_counts_with_what_it_said_last() -> None:
    now, before = gate("errors", PROOF + 0.9), gate("agreement", 2.0)
    both = against([now, before], Panel(2))
    assert against([now], Panel(2, settled=[before])) == both
    assert against([now], Panel(2, settled=[before.model_copy(update={"mode": Mode.OBSERVE})])) < both
    # Whoever speaks now is to blame, if only as a suspect: the other one is not there to fail.
    loud = [gate("errors", PROOF), gate("quiet", 0.0)]
    failed = [
        one for one in combined(*loud, panel=Panel(3, settled=[gate("agreement", 20.0)])) if one.verdict == "Fail"
    ]
    assert [(one.name, one.message.startswith("suspect")) for one in failed] == [("errors", True)]


@pytest.mark.parametrize("stages", [1, 2, 5])
def test_metrics_that_speak_one_after_the_other_share_one_alpha(stages: int) -> None:
    # Each metric speaks in a stage of its own, as a fair bet on reaching what would be enough were it alone.
    line = 1 / ALPHA / 0.9
    rng = Random(7)
    hit, panel = 0, Panel(metrics=stages)
    for _ in range(4000):
        said: list[Gate] = []
        for stage in range(stages):
            won = rng.random() < 1 / line
            now = gate(f"m{stage}", math.log(line) + 1e-9 if won else -50.0)
            if any(one.verdict is Verdict.FAIL for one in combined(now, panel=replace(panel, settled=tuple(said)))):
                hit += 1
                break
            said.append(now)
    assert hit / 4000 <= ALPHA


def test_the_guilty_one_is_named_and_no_innocent_one() -> None:
    errors, latency = combined(gate("errors", 20.0), gate("latency", 0.1, Verdict.PASS))
    assert errors.verdict is Verdict.FAIL
    assert errors.message == "errors is worse"
    assert latency.verdict is Verdict.UNDECIDED


def test_where_nobody_can_be_singled_out_the_loudest_is_a_suspect() -> None:
    # E of 60, 61, 1, 1 and 1: together 22 of the 20 that α asks for. Either of the two and the quiet ones alone: 16 at most.
    loud = [gate("a", math.log(60)), gate("b", math.log(61))]
    quiet = [gate(f"m{index}", 0.0) for index in range(3)]
    assert against([*loud, *quiet], Panel()) >= PROOF
    named = combined(*loud, *quiet)
    assert [(each.name, each.message) for each in named if each.verdict is Verdict.FAIL] == [
        ("b", "suspect, together with other metrics: b is worse")
    ]


def test_a_slice_is_named_with_its_metric() -> None:
    (found,) = combined(gate("errors", 0.0, slices=(0.0, 0.0, 12.0)))
    assert found.verdict is Verdict.FAIL
    assert found.message == "slice s2: errors is worses2"
    assert [one.verdict for one in found.slices] == [None, None, "Fail"]


def test_the_whole_and_its_loudest_slice_are_told_and_the_other_guilty_ones_named() -> None:
    (found,) = combined(gate("errors", 20.0, slices=(15.0, 0.0, 40.0)))
    assert found.message == "errors is worse; slice s2: errors is worses2; also s0"
    assert [one.verdict for one in found.slices] == ["Fail", None, "Fail"]


def test_many_slices_are_no_more_likely_to_roll_back_than_one_metric() -> None:
    twenty = gate("errors", 0.0, slices=(PROOF + 0.2, *(0.0,) * 19))
    assert combined(twenty)[0].verdict is Verdict.UNDECIDED


def test_nothing_is_promoted_while_all_together_speak_against_it() -> None:
    doubt = combined(gate("errors", 2.2), gate("latency", 0.0, Verdict.PASS))
    assert [each.verdict for each in doubt] == [Verdict.UNDECIDED, Verdict.UNDECIDED]
    assert "all metrics together" in doubt[1].message


def test_a_gate_without_evidence_keeps_its_word() -> None:
    plain = Gate(name="plain", verdict=Verdict.PASS, state="Value")
    assert combined(plain, gate("errors", 30.0))[0] == plain


@pytest.mark.parametrize("number", [1, 3])
def test_a_catastrophe_needs_no_other_evidence(number: int) -> None:
    quiet = {f"other{index}": 0.0 for index in range(number - 1)}
    below = combined(
        Gate(name="errors", verdict=Verdict.UNDECIDED, state="Value"), errors=limit(ALPHA, number) - 0.1, **quiet
    )
    assert below[0].verdict is Verdict.UNDECIDED
    above = combined(
        Gate(name="errors", verdict=Verdict.UNDECIDED, state="Value"), errors=limit(ALPHA, number), **quiet
    )
    assert above[0].verdict is Verdict.FAIL
    assert "More than half" in above[0].message


def test_what_all_say_together_is_told_beside_the_gates_also_when_something_else_has_decided() -> None:
    loud, panel = [gate("errors", 4.0), gate("latency", 1.0)], Panel(metrics=3)
    alarming = [replace_evidence(one, alarm=True) for one in loud]
    for gates, guards in ((loud, {}), (loud, {"errors": 100.0}), (alarming, {})):
        found = combine(gates, guards, ALPHA, lambda name, _: name, panel)
        assert found.against == against(loud, panel) != 0
    plain = [Gate(name="plain", verdict=Verdict.PASS, state="Value")]
    assert combine(plain, {}, ALPHA, lambda name, _: name, panel).against is None


def test_the_shares_of_alpha_add_up() -> None:
    # E of everything compared has mean 1 at most, and so has the guard's: both chances together are alpha.
    compared = math.exp(-(PROOF - against([gate("errors", 0.0)], Panel())))
    guarded = math.exp(-limit(ALPHA, 1))
    assert compared + guarded == pytest.approx(ALPHA)
