import json
from copy import deepcopy

import pytest
import yaml
from click.testing import CliRunner

from modelrollout.cli import cli
from modelrollout.cli.explain import explanation, text
from tests.unit.cli.states import thing


def explained(rps=None, **spec):
    raw = thing(None, **spec)
    asked = {key: value for key, value in raw["spec"].items() if value is not None}
    return explanation({**raw, "spec": asked}, rps)


def stages(plan):
    return [
        (stage.label, stage.weight, stage.mirror, stage.candidate_pods, stage.judged, stage.ends)
        for stage in plan.stages
    ]


def test_every_stage_is_told_with_what_it_needs():
    plan = explained()
    both = ("errors", "gpu")
    assert stages(plan) == [
        ("shadow", 0, 100, 4, both, "after 1m and when errors and gpu pass"),
        ("step 1/3", 25, 0, 4, both, "after 2m and when errors and gpu pass"),
        ("pause 2/3", 25, 0, 4, both, "when a person promotes"),
        ("step 3/3", 50, 0, 4, both, "after 2m and when errors and gpu pass"),
        ("full", 100, 0, 4, (), "at once"),
        ("bake", 100, 0, 4, both, "after 5m and when errors and gpu pass"),
    ]
    assert (plan.least.total_seconds(), plan.approvals, plan.most_model_pods, plan.router_pods) == (600, 1, 8, 2)


def test_pods_follow_the_weight_and_never_become_fewer():
    steps = [{"weight": 10, "hold": "1m", "replicas": 3}, {"weight": 50, "hold": "1m"}, {"weight": 60, "hold": "1m"}]
    plan = explained(strategy={"canary": {"steps": steps}}, analysis=None)
    assert [stage.candidate_pods for stage in plan.stages] == [3, 3, 3, 4]
    plan = explained(strategy={"canary": {"steps": steps}}, analysis=None, maxExtraReplicas=1)
    assert [stage.candidate_pods for stage in plan.stages] == [1, 1, 1, 4]


def test_what_counts_requests_is_not_judged_where_there_are_none():
    plan = explained(strategy={"blueGreen": {"hold": "10m", "promotion": "manual", "bake": "5m"}})
    assert stages(plan) == [
        ("preview", 0, 0, 4, ("gpu",), "after 10m, when gpu passes and when a person promotes"),
        ("full", 100, 0, 4, (), "at once"),
        ("bake", 100, 0, 4, ("errors", "gpu"), "after 5m and when errors and gpu pass"),
    ]


def test_what_is_judged_in_no_stage_and_only_watched_afterwards_is_said():
    analysis = {**deepcopy(thing(None)["spec"]["analysis"]), "monitor": {"metrics": ["errors"]}}
    words = "errors: judged in no stage, because none before the last has requests of clients to measure it by."
    switch = {"hold": "10m", "promotion": "manual"}
    plan = explained(strategy={"blueGreen": switch}, analysis=analysis)
    assert [stage.judged for stage in plan.stages] == [("gpu",), ()]
    assert words in text(plan)
    assert words not in text(explained(strategy={"blueGreen": {**switch, "bake": "5m"}}, analysis=analysis))


@pytest.mark.parametrize("automation", ["manual", "assist"])
def test_without_full_automation_a_person_moves_every_step_but_the_bake(automation):
    plan = explained(automation=automation)
    assert [stage.label for stage in plan.stages if not stage.approval] == ["full", "bake"]


def test_on_the_rung_partial_only_stages_in_which_nothing_is_measured_need_a_person():
    plan = explained(automation="partial", strategy={"blueGreen": {"hold": "10m", "bake": "5m"}}, analysis=None)
    assert [stage.label for stage in plan.stages if stage.approval] == ["preview"]
    plan = explained(automation="partial")
    assert [stage.label for stage in plan.stages if stage.approval] == ["pause 2/3"]
    assert "waits for a person (automation: partial)" in text(plan)


def test_on_the_rung_shadow_it_is_said_where_it_stops():
    assert "It stops at the end of shadow: automation: shadow gives" in text(explained(automation="shadow"))


def test_requests_of_clients_grow_as_the_share_shrinks():
    errors = explained().metrics[0]
    assert errors.min_requests == 50
    assert errors.client_requests == {"shadow": 50, "step 1/3": 200, "pause 2/3": 200, "step 3/3": 100, "bake": 50}
    assert "50 requests of the candidate, of about 200 in step 1/3" in text(explained())


def test_a_long_query_is_cut_in_the_text_alone():
    query = "sum(" * 50
    metric = {"name": "long", "prometheus": {"query": query}, "threshold": {"max": 600_000_000}}
    plan = explained(analysis={"metrics": [metric]})
    assert plan.metrics[0].source == f"prometheus query {query}"
    assert query not in text(plan)
    assert "max 600000000" in text(plan)


def test_direct_traffic_says_what_it_cannot_promise():
    direct = {"canary": {"steps": [{"weight": 20, "hold": "1m"}, {"weight": 50, "hold": "1m"}]}}
    plan = explained(strategy=direct, analysis=None, traffic={"direct": {}})
    assert [stage.candidate_pods for stage in plan.stages] == [1, 4, 4]
    said = text(plan)
    for words in ("a weight of connections", "six rollouts", "connection: close", "TrafficVerified stays Unknown"):
        assert words in said
    assert "router pods" not in said


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"analysis": None}, "Nothing is measured"),
        ({"automation": "manual"}, "to abort is up to a person"),
        ({"automation": "full"}, "sends all traffic home to stable at once"),
        ({"progressDeadline": "7m"}, "not ready within 7m abort it"),
        ({"strategy": {"blueGreen": {"hold": "1m"}}, "analysis": None}, "There is no bake"),
    ],
)
def test_what_happens_when_something_goes_wrong(spec, words):
    assert words in text(explained(**spec))


@pytest.mark.parametrize(
    ("analysis", "words"),
    [
        ({}, "waits for its metrics without end"),
        ({"deadline": "1h"}, "within 1h after its hold: a person decides"),
        ({"deadline": "1h", "onInconclusive": "rollback"}, "within 1h after its hold: it is aborted"),
        ({"onNoData": "rollback"}, "With no number after three polls in a row it is aborted"),
        ({"onError": "ignore"}, "With no answer from a source the other metrics decide"),
    ],
)
def test_deadlines_and_missing_numbers(analysis, words):
    assert words in text(explained(analysis={**deepcopy(thing(None)["spec"]["analysis"]), **analysis}))


@pytest.fixture
def write(tmp_path):
    def write(*documents):
        path = tmp_path / "model.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)

    return write


def test_each_object_of_a_file_is_explained_and_a_wrong_one_is_told(write):
    file = write(thing(None), thing(None, replicas=-1), {"kind": "Service", "apiVersion": "v1"})
    result = CliRunner().invoke(cli, ["explain", file])
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "digits: canary through traffic.envoy, automation full; 4 model pods, 2 router pods\n"
    )
    assert "spec.replicas" in result.stderr


def test_an_explanation_as_json(write):
    result = CliRunner().invoke(cli, ["explain", write(thing(None)), "-o", "json"])
    assert result.exit_code == 0
    (plan,) = json.loads(result.stdout)
    assert (plan["least"], plan["stages"][1]["ends"]) == ("10m", "after 2m and when errors and gpu pass")


def test_a_file_without_a_model_deployment_is_an_error(write):
    result = CliRunner().invoke(cli, ["explain", write({"kind": "Service", "apiVersion": "v1"})])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no ModelDeployment in it" in result.stderr


def test_validate_answers_in_json_too(write):
    result = CliRunner().invoke(
        cli, ["validate", write(thing(None, replicas=-1), thing(None)), "/nope.yaml", "-o", "json"]
    )
    assert result.exit_code == 1
    wrong, right, missing = json.loads(result.stdout)
    assert wrong["problems"][0]["path"] == "spec.replicas"
    assert (wrong["valid"], right["valid"], missing["valid"]) == (False, True, False)
    assert "/nope.yaml cannot be read" in missing["error"]


def test_validate_says_yes_and_no(write):
    file = write(thing(None, replicas=-1), thing(None))
    result = CliRunner().invoke(cli, ["validate", file])
    assert result.exit_code == 1
    assert result.stdout == f"{file}: digits is valid\n"
    assert result.stderr.startswith(f"{file}: spec.replicas: ")


def test_standard_input_is_a_file_too():
    result = CliRunner().invoke(cli, ["validate", "-"], input=yaml.safe_dump(thing(None)))
    assert (result.exit_code, result.output) == (0, "-: digits is valid\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "cannot be read"),
        ("kind: ModelDeployment\nkind: ModelDeployment", "stands there twice"),
        ("- just\n- a list", "document 1 is no Kubernetes object"),
        ("", "no ModelDeployment in it"),
    ],
)
def test_a_file_that_holds_something_else_says_so(tmp_path, content, words):
    file = tmp_path / "x.yaml"
    file.write_text(content)
    for command in ("validate", "explain"):
        result = CliRunner().invoke(cli, [command, str(file)])
        assert (result.exit_code, result.stdout) == (1, "")
        assert words in result.stderr


def test_golden_examples_are_told_with_what_becomes_of_a_wrong_answer():
    golden = {"configMap": "digits-golden", "warmUp": {"requests": 40}}
    notes = explained(analysis={**thing(None)["spec"]["analysis"], "golden": golden}).notes
    (said,) = [note for note in notes if "golden" in note]
    assert "ConfigMap digits-golden" in said
    assert "a wrong answer counts as a metric that fails" in said
    assert "at most 40 of these requests" in said
    golden = {"configMap": "digits-golden", "failures": 2}
    notes = explained(analysis={**thing(None)["spec"]["analysis"], "golden": golden}).notes
    assert any("more than 2 wrong answers count as a metric that fails" in note for note in notes)
    assert not any("golden" in note for note in explained().notes)


PRESET = {"preset": "vision", "deadline": "1h"}
OWN = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.3}}


def shown_metrics(said):
    """The metrics that an explanation prints, as YAML."""
    return yaml.safe_load(said[said.index("\nmetrics:\n") :].split("\n\n")[0])["metrics"]


@pytest.mark.parametrize("own", [(), (OWN,)], ids=["none of one's own", "one of one's own"])
def test_the_metrics_of_a_preset_are_printed_and_mean_the_same_when_they_are_pasted(own):
    model = {"protocol": "openInference"}
    plan = explained(model=model, analysis={**PRESET, "metrics": list(own)})
    said = text(plan)
    pasted = explained(model=model, analysis={"deadline": "1h", "metrics": shown_metrics(said)})
    assert pasted.preset is None
    assert plan.model_copy(update={"preset": None}) == pasted
    without = [block for block in said.split("\n\n") if not block.startswith(ORIGIN)]
    assert "\n\n".join(without) == text(pasted)


ORIGIN = ("preset: vision", "In the first rollout", "It leaves out")


def test_a_preset_says_what_is_stricter_at_first_and_what_it_leaves_out():
    said = text(explained(model={"protocol": "http"}, analysis={"preset": "speech", "metrics": [OWN]}))
    assert "preset: speech stands for these metrics (errors as you wrote it):" in said
    assert "  - slow: compare.quantile.ratio 1.1 instead of 1.2" in said
    assert "  - errors:" not in said
    assert "  - same-text, length and empty: is missing: nobody knows where a prediction is" in said


def test_a_preset_is_told_in_json_too(write):
    result = CliRunner().invoke(cli, ["explain", write(thing(None, analysis={"preset": "vision"})), "-o", "json"])
    (plan,) = json.loads(result.stdout)
    assert plan["preset"]["name"] == "vision"
    assert plan["preset"]["first"][0] == "errors: compare.margin.absolute 0.0025 instead of 0.005"
    assert "nobody knows where a prediction is" in plan["preset"]["leftOut"]["agreement"]


def analysis_with(*metrics, **monitor):
    return {"metrics": list(metrics), "monitor": monitor}


ERRORS = {"name": "errors", "router": {"signal": "errorRate"}, "threshold": {"max": 0.02}}
PROVEN = {"name": "proven", "router": {"signal": "errorRate"}, "threshold": {"max": 0.02, "evidence": "sequential"}}


LABELS = {"tokenSecret": {"name": "feedback"}, "kept": 5000}


def test_labels_say_how_far_back_they_reach():
    asked = {"metrics": [ERRORS], "labels": LABELS, "inputs": {"percent": 20}}
    model = {"protocol": "openInference"}
    said = "\n".join(explained(model=model, analysis=asked).notes)
    assert (
        "Labels: 20 % of the requests are looked at, and each of 2 routers remembers the last 5,000 of its own" in said
    )
    told = "\n".join(explained(100.0, model=model, analysis=asked).notes)
    assert "at 100 requests/s that is 8 min" in told


def test_a_watch_says_how_far_its_false_alarms_are_apart():
    notes = "\n".join(explained(analysis=analysis_with(ERRORS, PROVEN)).notes)
    assert "errors and proven go on being watched every 1m. If one drifts, it is reported (onDrift: report)." in notes
    assert "proven: a change detector, with 10,000 polls between two false alarms on average" in notes
    assert "within its limit: 7 d." in notes
    assert "errors: plain windows" in notes


def test_a_watch_says_who_goes_back():
    assert "rolled out again, once" in "\n".join(explained(analysis=analysis_with(ERRORS, onDrift="rollback")).notes)
    by_a_person = explained(analysis=analysis_with(ERRORS, onDrift="rollback"), automation="assist").notes
    assert "a person decides (automation: assist)" in "\n".join(by_a_person)


def test_a_watch_says_what_takes_nothing_back():
    asked, answered = ({"name": name, f"{name}s": {}, "drift": {}} for name in ("input", "output"))
    tried = {**ERRORS, "name": "tried", "mode": "observe"}

    def said(*metrics, **changes):
        analysis = {**analysis_with(*metrics, onDrift="rollback"), "inputs": {}}
        model = {"protocol": "openInference"}
        return "\n".join(explained(model=model, analysis=analysis, **changes).notes)

    every = said(ERRORS, asked, answered, tried)
    assert "While what is asked drifts (input) nothing is taken back, as that is no version's doing; " in every
    assert "errors, output: for 10m without that." in every
    assert "tried: a drift takes nothing back (mode)." in every
    assert "output: a drift takes nothing back, because" in said(ERRORS, answered)
    assert "(input) nothing is taken back, as that is no version's doing; nothing else is watched." in said(asked)
    assert "taken back" not in said(ERRORS) + said(ERRORS, asked, automation="assist")


COMPARED = {"name": "errors", "router": {"signal": "errorRate"}, "compare": {}}
SLOW = {"name": "slow", "router": {"signal": "latencySeconds"}, "threshold": {"max": 0.2}}


def test_what_only_watches_ends_no_stage_and_is_told():
    plan = explained(analysis={"metrics": [COMPARED, {**SLOW, "mode": "warn"}]})
    assert {stage.judged for stage in plan.stages} == {("errors",), ()}
    assert {stage.watched for stage in plan.stages} == {("slow",), ()}
    assert not any("slow" in stage.ends for stage in plan.stages)
    assert "slow: mode warn. A failure makes an Event and the condition Warned" in text(plan)
    assert [metric.mode for metric in plan.metrics] == ["gate", "warn"]
    assert "slow     warn" in text(plan)


def test_where_nothing_decides_it_says_so():
    plan = explained(analysis={"deadline": "1h", "metrics": [{**COMPARED, "mode": "observe"}]})
    assert plan.forecasts == ()
    said = "\n".join(plan.notes)
    assert "No metric decides anything" in said
    assert "sends all traffic home" not in said
    assert "onInconclusive" not in said
    assert [stage.ends for stage in plan.stages if stage.label == "step 1/3"] == ["after 2m"]


STEPS = {"canary": {"steps": [{"weight": weight, "hold": "2m"} for weight in (5, 50)], "bake": "30m"}}
OPTIONAL = {"name": "extra", "router": {"signal": "errorRate"}, "compare": {"required": False}}
SWITCH = {"blueGreen": {"hold": "1m", "bake": "20m"}}


def test_what_need_not_pass_ends_no_stage():
    plan = explained(strategy=STEPS, analysis={"metrics": [OPTIONAL, SLOW]})
    assert {stage.ends for stage in plan.stages if stage.label != "full"} == {
        "after 2m and when slow passes",
        "after 30m and when slow passes",
    }
    assert plan.stages[0].judged == ("extra", "slow")
    alone = explained(strategy=STEPS, analysis={"metrics": [OPTIONAL]})
    assert [(stage.ends, stage.must_pass) for stage in alone.stages] == [
        ("after 2m", False),
        ("after 2m", False),
        ("at once", False),
        ("after 30m", False),
    ]


def test_the_least_time_is_what_is_left_when_proofs_end_holds():
    steps = [{"weight": weight, "hold": hold} for weight, hold in ((5, "2m"), (25, "5m"), (50, "2h"))]
    strategy = {"canary": {"shadow": {"percent": 10, "hold": "1h"}, "steps": steps, "bake": "1m"}}
    plan = explained(strategy=strategy, analysis={"metrics": [COMPARED]})
    # The shadow and the bake last; of the steps the five minutes of minDuration.
    assert (plan.least.total_seconds() / 60, plan.holds.total_seconds() / 60) == (66, 188)
    assert "at least 1h6m (3h8m where no proof ends a hold early)" in text(plan)
    longer = explained(strategy=strategy, analysis={"metrics": [COMPARED], "minDuration": "3h"})
    assert longer.least == longer.holds
    plain = explained(strategy=strategy, analysis={"metrics": [ERRORS]})
    assert plain.least == plain.holds
    assert "where no proof" not in text(plain)


def test_what_takes_longer_than_the_deadline_is_told_with_the_ways_out():
    plan = explained(0.5, strategy=STEPS, analysis={"metrics": [COMPARED, OPTIONAL], "deadline": "70m"})
    (said,) = plan.late
    assert said.startswith("errors needs about 3 h at 0.5% bad and 11 h at 2.0% bad, and step 2/2 has 1h12m: ")
    for words in (
        "likely to be inconclusive (pause)",
        "more weight, a wider margin, a later deadline or a shadow before",
    ):
        assert words in said
    assert said in text(plan)
    for enough in ({"deadline": "12h"}, {}):
        assert not explained(0.5, strategy=STEPS, analysis={"metrics": [COMPARED], **enough}).late
    assert not explained(strategy=STEPS, analysis={"metrics": [COMPARED], "deadline": "70m"}).late


def test_what_the_stages_before_bring_is_counted_in():
    shadow = {"canary": {"shadow": {"percent": 100, "hold": "10h"}, **STEPS["canary"]}}
    plan = explained(0.5, strategy=shadow, analysis={"metrics": [COMPARED], "deadline": "70m"})
    assert not plan.late


def test_a_step_that_gets_too_few_requests_is_told():
    wide = {**COMPARED, "compare": {"margin": {"absolute": 0.1}}}
    (said,) = explained(0.2, strategy=STEPS, analysis={"metrics": [wide], "deadline": "1h"}).late
    assert said.startswith("errors needs about 83 min for its first requests, and step 1/2 has 1h2m: ")
    assert "fewer minRequests" in said
    plain = {**ERRORS, "threshold": {"max": 0.02, "minRequests": 50}}
    assert explained(0.2, strategy=STEPS, analysis={"metrics": [plain], "deadline": "1h"}).late == (
        said.replace("a wider margin", "another limit"),
    )


def test_a_limit_that_only_the_bake_can_be_held_to_must_pass_there():
    plan = explained(0.05, strategy=SWITCH, analysis={"metrics": [PROVEN], "deadline": "1h"})
    assert plan.stages[-1].ends == "after 20m and when proven passes"
    assert "What a proof takes in bake, if" in text(plan)
    assert plan.forecasts[0].requests == 186
    assert plan.forecasts[0].wait.total_seconds() == pytest.approx(186 / 0.05, abs=20)
    (said,) = plan.late
    assert "proven needs about 2 h at 0.5% bad, and bake has 1h20m" in said
    assert "Give it another limit or a later deadline; or a person promotes." in said


def test_what_copies_alone_are_held_to_is_forecast_among_copies():
    strategy = {"shadow": {"percent": 20, "hold": "10m"}}
    plan = explained(1.0, strategy=strategy, analysis={"metrics": [COMPARED], "deadline": "30m"})
    assert "What a proof takes in shadow, if" in text(plan)
    (said,) = plan.late
    assert "79 min at 0.1% bad" in said
    assert "Give it more copies" in said
