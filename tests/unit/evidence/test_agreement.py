"""The same numbers as an independent implementation of the same formulas, recorded once: to a billionth, block by block."""

import json
from pathlib import Path

import pytest

from modelrollout.domain.tally import Rate
from modelrollout.evidence import combine
from modelrollout.evidence.constant import ConstantTest
from modelrollout.evidence.detector import Detector
from modelrollout.evidence.dispersion import pod_dispersion
from modelrollout.evidence.forecast import requests_needed
from modelrollout.evidence.margin import MarginTest, project
from modelrollout.evidence.means import MeanTest
from modelrollout.evidence.mixture import log_sum
from modelrollout.evidence.onset import Onset
from modelrollout.evidence.pair import Pair, PairTest, Rates
from modelrollout.evidence.paired import Cells, PairedTest
from modelrollout.evidence.ratio import RatioTest
from modelrollout.evidence.routing import split_log_e

VECTORS = json.loads((Path(__file__).parents[2] / "data/evidence/vectors.json").read_text())["tests"]


def close(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def onset(row) -> Onset | None:
    # The other implementation has no starts beyond the horizon.
    return Onset(*row["onset"], beyond=0.0) if row["onset"] else None


def pair_test(kind: str, row) -> PairTest:
    match kind:
        case "ratio":
            return RatioTest(row["ratio"], worse=row["worse"], onset=onset(row))
        case "margin":
            prior = {"prior_rate": row["prior_rate"], "prior_n": row["prior_n"]}
            return MarginTest(row["delta"], row["ratio"], worse=row["worse"], **prior, onset=onset(row))
        case _:
            return ConstantTest(row["limit"], above=row["above"], onset=onset(row))


@pytest.mark.parametrize("kind", ["ratio", "margin", "constant"])
def test_of_two_arms(kind):
    assert len(VECTORS[kind]) >= 40
    for row in VECTORS[kind]:
        test, past = pair_test(kind, row), Pair()
        state, found = test.start(), []
        for block, temper in zip(row["blocks"], row["temper"], strict=True):
            state = test.step(state, past, Pair(*block), temper)
            past += Pair(*block)
            found.append(test.log_e(state))
        assert found == close(row["log_e"]), row


def test_of_joined_pairs():
    for row in VECTORS["paired"]:
        test = PairedTest(row["delta"], row["worse"], onset(row))
        state, found = test.start(), []
        for block, temper in zip(row["blocks"], row["temper"], strict=True):
            state = test.step(state, Cells(*block), temper)
            found.append(test.log_e(state))
        assert found == close(row["log_e"]), row


def test_of_means():
    for row in VECTORS["means"]:
        test = MeanTest(row["margin"], row["worse"], row["min_blocks"])
        state, found = test.start(), []
        for block in row["blocks"]:
            state = test.step(state, block)
            found.append(test.log_e(state))
        assert found == close(row["log_e"]), row


def test_of_projections():
    for row in VECTORS["projection"]:
        stable, candidate, *rest = row["args"]
        assert project(Rates(stable, candidate), *rest) == pytest.approx(row["point"], rel=0, abs=1e-12), row


def test_of_the_split():
    for row in VECTORS["routing"]:
        assert split_log_e(row["counts"], row["weights"], row["strength"]) == close(row["log_e"]), row


def test_of_the_detector():
    for row in VECTORS["detector"]:
        detector = Detector(row["arl"])
        state = detector.start(len(row["increments"][0]))
        for increments, log_m, alarm in zip(row["increments"], row["log_m"], row["alarm"], strict=True):
            before = state
            state = detector.step(state, increments)
            mean = [log + increment for log, increment in zip(before, increments, strict=True)]
            assert log_sum(mean) - log_sum([0.0] * len(mean)) == close(log_m)
            assert detector.alarm(state) == alarm


def test_of_combinations():
    for row in VECTORS["combine"]:
        assert combine.average(row["logs"], row["weights"]) == close(row["average"])
        assert list(combine.blame(row["logs"], row["alpha"])) == row["blame"]
        assert list(combine.discoveries(row["logs"], row["alpha"])) == row["discoveries"]


def test_of_pods():
    for row in VECTORS["pods"]:
        minutes = [[Rate(*pod) for pod in minute] for minute in row["minutes"]]
        assert pod_dispersion(minutes) == close(min(row["factor"], 50))


def test_of_forecasts():
    for row in VECTORS["forecast"]:
        wanted = row.pop("requests")
        assert requests_needed(**row) == close(wanted)
