import json

import pytest

from tests.unit.cli.states import NEW, OLD, OLDEST, finished, past, progressing, thing


def report(revision, attempt=1, ended="2026-01-02T11:00:00Z", **more):
    values = {
        "candidate": {"revision": revision.name},
        "attempt": attempt,
        "startedAt": "2026-01-02T10:00:00Z",
        "endedAt": ended,
        **more,
    }
    labels = {"modelrollout.dev/name": "digits", "modelrollout.dev/component": "report"}
    return {
        "metadata": {"name": f"digits-report-{revision.name}-{attempt}", "labels": labels},
        "data": {"report.json": json.dumps(values), "report.md": f"# {revision.name}, attempt {attempt}\n"},
    }


ROUTERS = {"metadata": {"name": "digits-router", "labels": {"modelrollout.dev/component": "router"}}, "data": {}}


@pytest.fixture
def reports(cluster):
    cluster.world.put(thing(finished()))
    cluster.world.maps = [
        ROUTERS,
        report(NEW),
        report(NEW, 2, ended="2026-01-02T11:30:00.5Z"),
        report(OLD, ended="2026-01-01T11:30:00Z"),
    ]
    return cluster


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ((), f"# {NEW.name}, attempt 2\n"),
        (("--attempt", "1"), f"# {NEW.name}, attempt 1\n"),
        (("--revision", OLD.name[:4]), f"# {OLD.name}, attempt 1\n"),
        (("--revision", NEW.name, "--attempt", "1"), f"# {NEW.name}, attempt 1\n"),
    ],
)
async def test_the_last_report_that_fits_is_printed(reports, words, page):
    result = await reports.run("report", "digits", *words)
    assert (result.exit_code, result.stdout) == (0, page)


async def test_programs_get_the_facts(reports):
    result = await reports.run("report", "digits", "-o", "json")
    assert json.loads(result.stdout)["attempt"] == 2


async def test_what_is_there_is_said_when_nothing_fits(reports):
    result = await reports.run("report", "digits", "--revision", "ffff", "--attempt", "3")
    assert result.exit_code == 1
    known = f"{NEW.name}/2, {NEW.name}/1, {OLD.name}/1"
    assert f"digits keeps no report of ffff, attempt 3. There are (REVISION/ATTEMPT): {known}." in result.stderr


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "digits has had no rollout yet, so there is no report."),
        (progressing(history=[]), "The first rollout of digits is still on its way"),
        (
            finished(),
            "There is no report of digits, although it has had rollouts. Either you may not list its ConfigMaps",
        ),
    ],
)
async def test_why_there_is_none(cluster, status, words):
    cluster.world.put(thing(status))
    result = await cluster.run("report", "digits")
    assert result.exit_code == 1
    assert words in result.stderr


async def test_maps_that_we_may_not_list_are_no_crash(reports):
    reports.world.refuse["configmaps"] = 403
    result = await reports.run("report", "digits")
    assert "you may not list its ConfigMaps" in result.stderr


async def test_a_map_that_is_no_report_is_left_out(reports):
    broken = report(OLDEST, ended="2026-01-03T00:00:00Z")
    broken["data"]["report.json"] = "{"
    reports.world.maps.append(broken)
    result = await reports.run("report", "digits")
    assert (result.exit_code, result.stdout) == (0, f"# {NEW.name}, attempt 2\n")


async def test_a_report_that_is_not_there_yet_is_not_taken_for_another(reports):
    reports.world.set_status(finished(history=[past(OLDEST, attempt=4)]))
    result = await reports.run("report", "digits")
    assert result.exit_code == 0
    assert f"The report of the last attempt, {OLDEST.name}/4, is not there" in result.stderr


async def test_an_attempt_that_was_forgotten_is_told_from_one_with_its_number(reports):
    reports.world.set_status(finished(history=[past(NEW, attempt=2, startedAt="2026-01-02T09:00:00Z")]))
    result = await reports.run("report", "digits")
    assert "This is an older attempt that had the number" in result.stderr
    reports.world.set_status(finished(history=[past(NEW, attempt=2, startedAt="2026-01-02T10:00:00Z")]))
    assert (await reports.run("report", "digits")).stderr == ""
