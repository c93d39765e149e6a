"""Presets find on the pages of their servers what they promise, for both versions."""

import math

import pytest

from modelrollout.domain.reading import Key, State
from modelrollout.domain.tally import Histogram, Mean, Measure, Rate, Shares
from modelrollout.sources._base import Scope
from modelrollout.sources._presets import PRESETS, known_preset
from modelrollout.sources.prometheus import PLUGIN, PrometheusConfig
from tests.unit.sources.instant import NOW, PAGES, Vector, answer, page, scrape

SCOPE = Scope("ml", "digits", "new", "new", "old", ("digits-new-a",), ("digits-old-a", "digits-old-b"))

RATES = {
    "bentoml/errorRate": Rate(3, 17),
    "mlserver/errorRate": Rate(3, 15),
    "ovms/errorRate": Rate(5, 100),
    "ray-serve/errorRate": Rate(4, 17),
    "sglang/aborted": Rate(2, 16),
    "tfserving/errorRate": Rate(10, 250),
    "tgi/errorRate": Rate(7, 210),
    "torchserve/errorRate": Rate(4, 19),
    "triton/errorRate": Rate(4, 23),
    "vllm/badFinish": Rate(2, 18),
    "vllm/errorRate": Rate(2, 24),
}
MEANS = {
    "mlserver/meanLatency": Mean(0.0014449480004259385, 15),
    "tgi/meanOutputTokens": Mean(9600, 192),
    "torchserve/meanLatency": Mean(6.781238663, 19),
    "torchserve/meanQueueTime": Mean(2.787295114, 19),
    "triton/meanLatency": Mean(6.789748, 19),
    "triton/meanQueueTime": Mean(0.137809, 19),
    "vllm/meanInputTokens": Mean(474, 18),
    "vllm/meanOutputTokens": Mean(290, 18),
}
HISTOGRAMS = {
    # One bound between the two groups of values, and how many values are at most so large, of how many.
    "bentoml/latency": (0.1, 10, 17),
    "kserve/latency": (0.005, 15, 15),
    "mlserver/latency": (0.005, 17, 17),
    "ovms/latency": (0.011568, 85, 95),
    "ray-serve/latency": (0.3, 8, 17),
    "sglang/interTokenLatency": (0.04, 74, 116),
    "sglang/latency": (0.6, 5, 14),
    "sglang/queueTime": (0.001, 10, 15),
    "sglang/ttft": (0.1, 9, 14),
    "tfserving/latency": (0.011569, 220, 240),
    "tgi/latency": (2.562890625, 190, 192),
    "tgi/queueTime": (0.00384433594, 192, 192),
    "tgi/tpot": (0.0170859375, 190, 192),
    "triton/ttft": (0.5, 390, 395),
    "vllm/interTokenLatency": (0.025, 241, 273),
    "vllm/latency": (0.5, 9, 18),
    "vllm/queueTime": (0.3, 18, 18),
    "vllm/tpot": (0.025, 10, 18),
    "vllm/ttft": (0.06, 11, 19),
}
RECORDED = {
    "bentoml": "bentoml 1.4.40",
    "kserve": "kserve 0.21.0",
    "mlserver": "mlserver 1.7.1",
    "ray-serve": "Ray Serve 2.60.0",
    "sglang": "SGLang 0.5.23",
    "torchserve": "TorchServe 0.12.0",
    "triton": "Triton Inference Server 2.51.0",
    "vllm": "vLLM 0.32.0",
}
WRITTEN = {
    "ovms": "OpenVINO Model Server at 7e4df0c",
    "tfserving": "TensorFlow Serving at 9d981c5",
    "tgi": "Text Generation Inference at db931fc",
    "triton-ttft": "Triton Inference Server at e1db8a6",
}
APART = {"triton/ttft": "triton-ttft"}
"""What the server that was recorded did not count yet is on a page of its own."""
SHARES = {"vllm/finishReason": Shares({"abort": 0, "error": 0, "length": 13, "repetition": 2, "stop": 3})}


def config(name: str) -> PrometheusConfig:
    return PrometheusConfig(preset=name)


def measured(name: str, arm: str, *pages: Vector) -> Measure:
    fetch = PLUGIN.fetch(config(name), SCOPE)
    sample = PLUGIN.parse(config(name), SCOPE, {"": answer(fetch.query, *pages)}, NOW)
    assert sample.state is State.VALUE, sample.message
    grown: dict[str, float] = {}
    for key, value in sample.counters.items():
        if key.arm == arm:
            grown[key.series] = grown.get(key.series, 0.0) + value
    found = PLUGIN.measure_arm(config(name), grown)
    assert found is not None
    return found


def scraped(name: str) -> tuple[Vector, ...]:
    """One pod of the candidate and two of stable, of which the second did three times as much, and a stranger."""
    text = page(APART.get(name, name.partition("/")[0]))
    return (
        scrape(text, "digits-new-a", address="10.0.0.1:8080"),
        scrape(text, "digits-old-a", address="10.0.0.2:8080"),
        scrape(text, "digits-old-b", address="10.0.0.3:8080", times=3),
        scrape(text, "digits-older-a", address="10.0.0.4:8080"),
        scrape(text, "digits-new-a", namespace="other", address="10.0.0.5:8080"),
    )


def test_every_preset_has_an_expectation_and_every_server_a_page() -> None:
    assert PRESETS.keys() == {*RATES, *MEANS, *HISTOGRAMS, *SHARES}
    assert {APART.get(name, name.partition("/")[0]) for name in PRESETS} == {
        file.stem for file in PAGES.glob("*.txt") if not file.stem.startswith("envoy")
    }


def test_every_page_says_where_it_is_from() -> None:
    assert RECORDED.keys() | WRITTEN.keys() == {APART.get(name, name.partition("/")[0]) for name in PRESETS}
    for server, version in RECORDED.items():
        assert page(server).startswith(f"# Recorded of {version}, ")
    for server, version in WRITTEN.items():
        assert page(server).startswith(f"# Written by hand after the sources of {version}; the counts are made up. ")


@pytest.mark.parametrize(("name", "rate"), RATES.items())
def test_rates(name: str, rate: Rate) -> None:
    candidate = measured(name, "new", *scraped(name))
    assert candidate == Measure(rate, {"digits-new-a": rate})
    stable = measured(name, "old", *scraped(name))
    assert stable.tally == Rate(4 * rate.bad, 4 * rate.total)
    assert stable.pods == {"digits-old-a": rate, "digits-old-b": Rate(3 * rate.bad, 3 * rate.total)}


@pytest.mark.parametrize(("name", "mean"), MEANS.items())
def test_means(name: str, mean: Mean) -> None:
    candidate = measured(name, "new", *scraped(name)).tally
    assert isinstance(candidate, Mean)
    assert (candidate.sum, candidate.total) == (pytest.approx(mean.sum), mean.total)
    stable = measured(name, "old", *scraped(name)).tally
    assert isinstance(stable, Mean)
    assert (stable.sum, stable.total) == (pytest.approx(4 * mean.sum), 4 * mean.total)


@pytest.mark.parametrize(("name", "expected"), HISTOGRAMS.items())
def test_histograms_in_seconds(name: str, expected: tuple[float, float, float]) -> None:
    bound, below, total = expected
    for arm, times in (("new", 1), ("old", 4)):
        tally = measured(name, arm, *scraped(name)).tally
        assert isinstance(tally, Histogram)
        assert tally.total == times * total
        near = min((known for known, _ in tally.buckets if known < math.inf), key=lambda known: abs(known - bound))
        assert near == pytest.approx(bound, rel=1e-3)
        assert dict(tally.buckets)[near] == times * below


@pytest.mark.parametrize(("name", "shares"), SHARES.items())
def test_shares(name: str, shares: Shares) -> None:
    assert measured(name, "new", *scraped(name)).tally == shares
    assert measured(name, "old", *scraped(name)).tally == Shares({key: 4 * n for key, n in shares.counts.items()})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_no_problem_and_is_of_its_form(name: str) -> None:
    tables = {Rate: RATES, Mean: MEANS, Histogram: HISTOGRAMS, Shares: SHARES}
    (form,) = (form for form, table in tables.items() if name in table)
    assert PRESETS[name].tally is form
    assert PLUGIN.problems(config(name)) == ()
    assert PLUGIN.counts(config(name))
    comparable = name.partition("/")[2] != "interTokenLatency"
    assert PLUGIN.forms(config(name)) == (frozenset({form}) if comparable else frozenset())
    assert PLUGIN.fraction(config(name)) is (form is Rate)
    assert PLUGIN.errors(config(name)) is name.endswith("/errorRate")


@pytest.mark.parametrize("name", PRESETS)
def test_its_selectors_name_the_pods_of_both_versions_and_their_namespace(name: str) -> None:
    query = PLUGIN.fetch(config(name), SCOPE).query.partition("timestamp(")[0]
    selectors = query.count("{")
    assert query.count('namespace="ml",pod=~"digits-new-a|digits-old-a|digits-old-b"') == selectors > 0


def test_an_error_that_was_not_there_before_counts_and_no_error_is_a_rate_of_0() -> None:
    text = "".join(line for line in page("mlserver").splitlines(keepends=True) if "failure_total{" not in line)
    found = measured("mlserver/errorRate", "new", scrape(text, "digits-new-a"))
    assert found.tally == Rate(0, 12)


def test_a_server_that_has_but_the_old_name_is_understood_and_one_that_has_both_is_not_counted_twice() -> None:
    now = page("vllm")
    old = now.replace("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")
    for text in (old, now + old):
        tally = measured("vllm/interTokenLatency", "new", scrape(text, "digits-new-a")).tally
        assert isinstance(tally, Histogram)
        assert tally.total == 273


def test_bentoml_is_understood_when_its_own_endpoint_label_was_kept() -> None:
    own = [
        (
            {name: value for name, value in labels.items() if name != "exported_endpoint"}
            | {"endpoint": labels["exported_endpoint"]},
            value,
        )
        for labels, value in scrape(page("bentoml"), "digits-new-a")
    ]
    assert measured("bentoml/errorRate", "new", own).tally == Rate(3, 17)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vllm/ttfft", "'vllm/ttfft' is no preset. Write vllm/ttft"),
        ("VLLM/TTFT", "Write vllm/ttft"),
        ("vllm/p99", "is no preset. Write vllm/"),
        ("triton/latency", "Write triton/meanLatency"),
        ("openai", "The servers are bentoml, kserve,"),
        ("", "The servers are"),
    ],
)
def test_an_unknown_preset_is_answered_with_the_nearest(name: str, words: str) -> None:
    with pytest.raises(ValueError, match="is no preset") as caught:
        known_preset(name)
    assert words in str(caught.value)


def test_a_config_refuses_it_with_the_same_words() -> None:
    with pytest.raises(ValueError, match=r"'vllm/ttfft' is no preset\. Write vllm/ttft"):
        config("vllm/ttfft")


def test_counters_of_a_pod_stay_the_same_series_when_who_scrapes_it_is_renamed() -> None:
    query = PLUGIN.fetch(config("vllm/ttft"), SCOPE).query
    before = scrape(page("vllm"), "digits-new-a")
    after = [({**labels, "job": "other"}, value) for labels, value in before]
    samples = [PLUGIN.parse(config("vllm/ttft"), SCOPE, {"": answer(query, one)}, NOW) for one in (before, after)]
    assert samples[0].counters == samples[1].counters
    assert all(isinstance(key, Key) for key in samples[0].counters)
