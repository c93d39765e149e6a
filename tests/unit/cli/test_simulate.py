import json
import logging
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner

from modelrollout.api.validate import parse_object
from modelrollout.cli import cli
from modelrollout.cli.outcome import wilson
from modelrollout.cli.svg import Line, Mark, Panel, Picture, render
from modelrollout.cli.versions import callings, candidate_of, mix_of, stable_of
from modelrollout.domain.capture import Part
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.kinds import NEGATIVE, Mix
from modelrollout.simulation.weather import Weather
from tests.unit.simulation.worlds import document, judged

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump(document()))
    return str(path)


def simulate(*words):
    return CliRunner().invoke(cli, ["simulate", *map(str, words)])


def answer(*words):
    result = simulate(*words, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_a_rollback_is_told_with_its_price(file):
    result = simulate(file, "--rps", 20, "--candidate", "errors=20%")
    assert result.exit_code == 0
    assert result.stderr == ""
    first, *rest = result.output.splitlines()
    assert first.startswith("digits: rolled back in step 1/2 after 1m")
    assert first.endswith("(seed 7)")
    text = "\n".join(rest)
    assert "20 requests/s all the time." in text
    assert "The candidate fails 20 % of its requests" in text
    assert "GateFailed: errors: " in text
    assert "candidate" in text
    assert "RolloutAborted" in text


def test_a_promotion_is_told_in_json_too(file):
    found = answer(file, "--rps", 20)
    assert (found["name"], found["traffic"]) == ("digits", "20 requests/s all the time")
    assert {name: rate["count"] for name, rate in found["rates"].items()} == {
        "promote": 1,
        "rollback": 0,
        "inconclusive": 0,
        "undecided": 0,
    }
    (one,) = found["results"]
    assert (one["seed"], one["decision"]) == (7, "promoted")
    assert one["firstRequestSeconds"] < one["seconds"]
    assert one["candidate"]["requests"] > one["candidate"]["bad"]
    assert one["events"][0]["reason"] == "RolloutStarted"
    assert one["events"][-1]["reason"] == "RolloutCompleted"


def test_a_seed_says_it_all(file):
    words = (file, "--rps", 20, "--until", "1m")
    assert simulate(*words, "--seed", 3).output == simulate(*words, "--seed", 3).output
    assert simulate(*words, "--seed", 3).output != simulate(*words, "--seed", 4).output


def test_many_runs_give_rates_and_processes_change_nothing(file):
    words = (file, "--rps", 20, "--candidate", "errors=3%", "--runs", 4)
    alone, together = answer(*words, "--jobs", 1), answer(*words, "--jobs", 2)
    assert alone == together
    assert [one["seed"] for one in alone["results"]] == [7, 8, 9, 10]
    rates = alone["rates"]
    assert sum(rate["count"] for rate in rates.values()) == 4
    assert all(rate["low"] <= rate["rate"] <= rate["high"] for rate in rates.values())
    assert all(one["events"] == [] for one in alone["results"])
    text = simulate(*words, "--jobs", 1).output
    assert "digits: 4 runs (seeds 7 to 10)" in text
    assert "95 % INTERVAL" in text


def test_a_picture_shows_weight_rates_evidence_and_the_decision(tmp_path):
    path, picture = tmp_path / "compared.yaml", tmp_path / "picture.svg"
    path.write_text(yaml.safe_dump(document(analysis=judged(compare={"margin": {"absolute": 0.02}}))))
    result = simulate(path, "--rps", 20, "--candidate", "errors=20%", "--plot", picture)
    assert result.exit_code == 0
    root = ET.fromstring(picture.read_text())
    (mark,) = [group for group in root.iter(f"{SVG}g") if group.get("class") == "mark"]
    assert mark.get("data-label") == "rolled back"
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"stable", "candidate", "errors", "rollback", "pass", "weight"} <= set(words)
    # The weight, two rates, and the evidence of one metric twice.
    assert len(list(root.iter(f"{SVG}path"))) == 5


def test_of_several_metrics_a_picture_shows_what_they_say_together(tmp_path):
    path, picture = tmp_path / "compared.yaml", tmp_path / "picture.svg"
    analysis = judged(compare={"margin": {"absolute": 0.02}})
    analysis["metrics"] += [{"name": "slow", "router": {"signal": "latencySeconds"}, "compare": {}}]
    path.write_text(yaml.safe_dump(document(analysis=analysis)))
    result = simulate(path, "--rps", 20, "--candidate", "errors=20%", "--plot", picture)
    assert result.exit_code == 0
    root = ET.fromstring(picture.read_text())
    assert [element.text for element in root.iter(f"{SVG}text")].count("together") == 1
    # The weight, two rates, what speaks against the candidate and all of that together, what speaks for it.
    assert len(list(root.iter(f"{SVG}path"))) == 8


def test_what_was_recorded_is_counted_instead_of_chance(file, tmp_path):
    recording = tmp_path / "recorded.json"
    polls = [
        {"at": at, "arm": arm, "total": total, "bad": bad}
        for at in range(10, 200, 10)
        for arm, total, bad in (("stable", 160, 0), ("candidate", 40, 20))
    ]
    recording.write_text(json.dumps(polls))
    found = answer(file, "--replay", recording)
    assert found["results"][0]["decision"] == "rolledBack"
    assert found["results"][0]["candidate"]["requests"] % 40 == 0
    recording.write_text("{}")
    result = simulate(file, "--replay", recording)
    assert result.exit_code == 1
    assert "Reading a recording: it is no list" in result.output


def test_what_the_metrics_read_is_replayed_and_what_is_missing_is_said(file, tmp_path):
    recording = tmp_path / "recorded.jsonl"
    arm = {"candidate": (40, 20), "stable": (160, 0)}
    lines = [
        {"at": 10 * poll, "metric": metric, "arm": name, "pod": "r", "series": series, "value": value * poll}
        for metric in ("errors", "gone")
        for poll in range(20)
        for name, (total, bad) in arm.items()
        for series, value in (("completed", total), ("failed", bad))
    ]
    recording.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = answer(file, "--replay", recording)
    assert found["results"][0]["decision"] == "rolledBack"
    assert found["results"][0]["candidate"]["requests"] % 40 == 0
    assert found["notes"] == ["Recorded and not in this file: gone. A metric is known by its name."]


def test_an_invalid_file_is_refused_in_the_words_of_validate(tmp_path):
    path, raw = tmp_path / "wrong.yaml", document(replicas=-1)
    path.write_text(yaml.safe_dump(raw))
    result, validated = simulate(path), CliRunner().invoke(cli, ["validate", str(path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == validated.stderr
    assert str(parse_object(raw)[1][0]) in result.stderr


def test_one_file_holds_one_question(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump_all([document(), document()]))
    assert "2 ModelDeployments in it. Simulate one at a time." in simulate(path).output
    path.write_text("")
    assert "no ModelDeployment in it" in simulate(path).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--candidate", "errors=much"), "errors=much cannot be read. Write a share such as 5% or 0.05."),
        (("--candidate", "errors=101%"), "errors=101% cannot be read"),
        (("--candidate", "errors=nan"), "errors=nan cannot be read"),
        (("--candidate", "slow=quite"), "such as +30% or x1.3"),
        (("--candidate", "latency=5"), "such as 80ms or 1.5s"),
        (("--candidate", "slow=+30%,latency=80ms"), "say either latency or slow"),
        (("--candidate", "errors=1%,errors=2%"), "errors stands there twice"),
        (("--stable", "slow=+30%"), "'slow' is none of errors, latency"),
        (("--until", "later"), "'later' is not a duration"),
        (("--late", "soon"), "'soon' is not a duration"),
        (("--traffic", "rush"), "'rush' is not one of"),
        (("--rps", "-1"), "-1.0 is not in the range"),
        (("--runs", "0"), "0 is not in the range"),
        (("--runs", "2", "--plot", "x.svg"), "a picture shows one run"),
    ],
)
def test_wrong_words_are_wrong_usage(file, words, said):
    result = simulate(file, *words)
    assert result.exit_code == 2
    assert said in result.output


def test_what_cannot_be_known_is_said(tmp_path):
    path = tmp_path / "asked.yaml"
    metric = {"name": "gpu", "prometheus": {"query": "gpu"}, "threshold": {"max": 95}}
    path.write_text(yaml.safe_dump(document(analysis={"interval": "10s", "metrics": [metric]})))
    result = simulate(path, "--until", "1m")
    assert result.exit_code == 0
    assert "There is no Prometheus here: gpu finds no series" in result.output


def test_the_operators_log_stays_out_of_the_answer_and_comes_back(file):
    before = logging.getLogger("modelrollout").level
    assert simulate(file, "--until", "1m").stderr == ""
    assert logging.getLogger("modelrollout").level == before


def test_every_weather_can_be_asked_for():
    (traffic,) = [option for option in cli.commands["simulate"].params if option.name == "traffic"]
    assert list(traffic.type.choices) == list(Weather)


def test_versions_are_said_in_few_words():
    stable = stable_of("errors=0.5%,latency=80ms")
    assert (stable.errors, stable.latency) == (0.005, 0.08)
    assert candidate_of("", stable) == stable
    assert candidate_of("slow=+50%", stable).latency == pytest.approx(0.12)
    assert candidate_of("slow=x2, errors=0.2", stable) == Behaviour(errors=0.2, latency=0.16)
    noisy = stable_of("noise=3%")
    parts = {"dark": "light=dark", "light=dark": "light=dark"}
    said = candidate_of("differs=1%, differs@dark=50%, empty=0.1, always=negative", noisy, parts)
    assert said == Behaviour(noise=0.03, differs=0.01, differs_in=(("light=dark", 0.5),), empty=0.1, always=NEGATIVE)
    assert candidate_of("differs@light=dark=20%", noisy, parts).differs_in == (("light=dark", 0.2),)


def test_what_clients_ask_is_said_in_few_words():
    parts = callings(parse_object(predicted())[0].analysis.slices[0].parts())
    assert parts == {
        "dark": "light=dark",
        "bright": "light=bright",
        "light=dark": "light=dark",
        "light=bright": "light=bright",
    }
    assert mix_of("dark=10%, light=bright=90%", "1%", parts) == Mix((("light=dark", 0.1), ("light=bright", 0.9)), 0.01)
    assert mix_of("", "50%", parts) == Mix()


def test_a_value_that_two_slices_have_is_no_name():
    two = (
        Part(name="a=x", header="a", value="x"),
        Part(name="b=x", header="b", value="x"),
        Part(name="n<1", path="n", high=1),
    )
    assert callings(two) == {"a=x": "a=x", "b=x": "b=x", "n<1": "n<1"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--candidate", "differs@night=1%"), "'night' is no part of the traffic. In spec.analysis.slices: light=dark"),
        (("--candidate", "differs=150%"), "differs=150% cannot be read"),
        (("--candidate", "always=maybe"), "Write positive or negative"),
        (("--stable", "differs=1%"), "'differs' is none of"),
        (("--slices", "dark=ten"), "dark=ten cannot be read"),
        (("--slices", "dark=60%,bright=50%"), "more than 100 %"),
        (("--positives", "many"), "many cannot be read"),
    ],
)
def test_words_about_predictions_that_cannot_be_read_are_refused(tmp_path, words, why):
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump(predicted()))
    result = simulate(path, *words)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.replace("│", " ").split())


def predicted(**judge):
    """A canary whose shadow compares predictions."""
    metric = {"name": "same", "predictions": {}, **(judge or {"agreement": {"min": 0.95}})}
    return document(
        model={"name": "digits", "version": "2", "protocol": "kserveV1"},
        strategy={"canary": {"shadow": {"percent": 100, "hold": "1m"}, "steps": [{"weight": 50, "hold": "1m"}]}},
        analysis={
            "interval": "10s",
            "deadline": "30m",
            "metrics": [metric],
            "slices": [{"name": "light", "header": "x-light", "values": ["dark", "bright"]}],
        },
    )


@pytest.mark.parametrize(
    ("words", "decision", "reason"),
    [
        (("--candidate", "differs=1%"), "promoted", ""),
        (("--candidate", "differs=20%"), "rolledBack", "agreement "),
        (("--slices", "dark=10%,bright=90%", "--candidate", "differs@dark=40%"), "rolledBack", "slice light=dark: "),
        (("--candidate", "empty=30%"), "rolledBack", "agreement "),
    ],
)
def test_predictions_decide_in_the_shadow(tmp_path, words, decision, reason):
    path = tmp_path / "digits.yaml"
    path.write_text(yaml.safe_dump(predicted()))
    (run,) = answer(path, "--rps", 20, *words)["results"]
    assert run["decision"] == decision
    if decision == "rolledBack":
        assert run["candidate"]["requests"] == 0
        assert run["copies"]["requests"] > 0
        assert f"same: {reason}" in run["message"]


def test_a_noisy_model_needs_a_baseline(tmp_path):
    path = tmp_path / "digits.yaml"
    asked = predicted(agreement={"margin": 0.05})
    asked["spec"]["analysis"]["predictions"] = {"baseline": {"percent": 50}}
    path.write_text(yaml.safe_dump(asked))
    (run,) = answer(path, "--rps", 20, "--stable", "noise=5%")["results"]
    assert run["decision"] == "promoted"
    path.write_text(yaml.safe_dump(predicted()))
    (run,) = answer(path, "--rps", 20, "--stable", "noise=5%")["results"]
    assert run["decision"] == "rolledBack"


@pytest.mark.parametrize(
    ("count", "runs", "low", "high"), [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (5, 100, 0.021543, 0.111751)]
)
def test_intervals_are_wilsons(count, runs, low, high):
    rate = wilson(count, runs)
    assert (rate.low, rate.high) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))


def test_a_picture_is_well_formed_whatever_it_is_called():
    picture = Picture(
        'a < b & "c"',
        10.0,
        "minutes",
        [Panel("x", [Line("<one>", [(0, 0), (10, 0)], "#000000")]), Panel("empty", [])],
        [Mark('"here" & there', 5.0, "#000000")],
    )
    root = ET.fromstring(render(picture))
    assert root.find(f"{SVG}title").text == 'a < b & "c"'
    assert [group.get("data-label") for group in root.iter(f"{SVG}g")] == ['"here" & there']


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rps", "nan"), "'--rps': nan is no number of requests per second"),
        (("--rps", "inf"), "'--rps'"),
        (("--until", "0s"), "--until: in 0s nothing can happen. Write decided, or a span such as 2h."),
        (("--inputs", "age=20..1e400"), "--inputs: age=20..1e400 cannot be read"),
        (("--candidate", "slow=x1" + "0" * 400), "--candidate: slow=x1"),
        (("--runs", "0"), "'--runs'"),
        (("--jobs", "0"), "'--jobs'"),
    ],
)
def test_a_number_that_is_none_is_refused(file, words, said):
    result = simulate(file, *words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_what_no_proof_can_be_timed_with_is_refused(file):
    result = CliRunner().invoke(cli, ["explain", file, "--rps", "inf"])
    assert result.exit_code == 2
    assert "inf is no number of requests per second" in result.output


def test_a_picture_that_cannot_be_written_is_told_before_anything_is_simulated(file, tmp_path, monkeypatch):
    monkeypatch.setattr("modelrollout.cli.simulate.run_trial", None)
    result = simulate(file, "--plot", tmp_path / "nowhere" / "picture.svg")
    assert result.exit_code == 1
    assert "picture.svg cannot be written: " in result.output
    assert "Traceback" not in result.output
