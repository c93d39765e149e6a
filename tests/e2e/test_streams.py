"""Streams of a minute live through a promotion and an abort."""

from tests.e2e.scenario import canary, lost_nothing, model_deployment, model_template


def test_streams_of_a_minute_live_through_a_promotion_and_an_abort(scenario):
    service = {"port": 80, "targetPort": 8080, "timeout": "70s", "drain": "3s"}
    scenario.apply(model_deployment(model_template("v1"), canary(50), service=service))
    scenario.stable()
    stream = ("--sse-every", "100", "--sse-tokens", "60", "--sse-interval-ms", "1000")
    with scenario.traffic(60, extra=stream) as traffic:
        second = scenario.apply(model_deployment(model_template("v2"), canary(50, hold="3s"), service=service))
        scenario.stable()
        scenario.apply(model_deployment(model_template("v3"), canary(50, hold="5m"), service=service))
        scenario.stage("step 1/1")
        scenario.abort()
        scenario.aborted("Requested")
        report = traffic.stop()
    lost_nothing(report)
    assert report["kinds"]["stream"] >= 3
    assert report["tokens"] == 60 * report["kinds"]["stream"]
    assert second in report["revisions"]
    scenario.note(report, f"{report['kinds']['stream']} streams of 60 s, all {report['tokens']} events")
