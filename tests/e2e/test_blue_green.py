"""Blue-green: everything switches at once, and back again."""

from tests.e2e.scenario import lost_nothing, model_deployment, model_template


def test_everything_switches_and_switches_back(scenario):
    first = scenario.apply(model_deployment(model_template("v1"), _blue_green("1s")))
    scenario.stable()
    with scenario.traffic(240) as traffic:
        second = scenario.apply(model_deployment(model_template("v2"), _blue_green("2m")))
        status = scenario.stage("bake")
        assert status["weight"] == 100
        assert len(scenario.models(first)) == 2, "stable stands whole until the bake passes"
        scenario.abort()
        scenario.aborted("Requested")
        scenario.gone(second)
        third = scenario.apply(model_deployment(model_template("v3"), _blue_green("1s")))
        scenario.stable()
        scenario.gone(first)
        report = traffic.stop()
    lost_nothing(report)
    assert report["revisions"].keys() == {first, second, third}
    scenario.note(report)


def _blue_green(bake):
    return {"blueGreen": {"hold": "1s", "bake": bake}}
