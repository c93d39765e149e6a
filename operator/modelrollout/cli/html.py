"""A report as one page for a browser: it needs no network and no script, and is as readable on paper.

Pure: made of the report's facts alone, as ``report -o json`` prints them.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from modelrollout.cli.html_drift import drift
from modelrollout.cli.html_markup import Markup, code, count, join, moment, section, table, tag
from modelrollout.cli.html_metrics import badge, flat, measured
from modelrollout.cli.html_pairs import pairs
from modelrollout.cli.html_style import STYLE
from modelrollout.cli.html_timeline import happened, time_line
from modelrollout.cli.table import span
from modelrollout.errors import RolloutError

Values = Mapping[str, Any]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever should ever get onto the page beside our own markup: it loads nothing and runs nothing."""


class UnreadableReportError(RolloutError):
    """The facts are not those of a report that this version knows."""


def page(values: Values) -> str:
    """Return the page of a report.

    Raises:
        UnreadableReportError: something is missing, or is not what it should be.
    """
    try:
        return _page(values)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise UnreadableReportError(
            f"Drawing a report: its facts are not what this version expects ({type(exc).__name__}: {exc}). Another version wrote "
            "it, or a person did. Without --html the page is shown that was written with it."
        ) from exc


def _page(values: Values) -> str:
    candidate, stable = values["candidate"], values.get("stable") or {}
    title = f"{values['name']}: {candidate['revision']}, attempt {values['attempt']}: {values['outcome']}"
    line = tag("figure", tag("div", time_line(values), class_="wide"), tag("figcaption", _LEGEND))
    body = [
        _head(values),
        section("Versions", table(("", "candidate", "stable"), _versions(candidate, stable), kind="facts")),
        section("Time line", line, table(("", "when", "whose", "what"), happened(values), kind="facts")),
        measured(values),
        section("Warnings", table(("metric", "when", "stage", "what was wrong"), _warnings(values))),
        drift(values),
        pairs(values),
        _golden(values),
        section(
            "Edits of the analysis",
            table(("when", "generation", "metric", "setting", "before", "after"), _edits(values)),
        ),
        section("What people asked", table(("when", "who, as claimed", "what", "answer"), _requests(values))),
        section("Settings of the analysis", table(("setting", "value"), _settings(values), kind="facts")),
        tag("p", "Long texts, and the parts that say least, were cut when the report was kept.")
        if values.get("cut")
        else None,
        tag("p", f"Written by version {values['operatorVersion']} of the operator.")
        if "operatorVersion" in values
        else None,
    ]
    head = join(
        (
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            tag("title", title),
            tag("style", Markup(STYLE)),
        ),
        "\n",
    )
    inner = tag("main", Markup("\n"), join(body, "\n"), Markup("\n"))
    return f"<!DOCTYPE html>\n{tag('html', tag('head', head), Markup(chr(10)), tag('body', inner), lang='en')}\n"


_LEGEND = (
    "Full line: percent of the answers that came from the candidate. Dashed line: percent of the requests that were copied to "
    "it. The numbers are those of the table."
)


def _head(values: Values) -> Markup:
    candidate, stable = values["candidate"], values.get("stable") or {}
    what = "first install" if not stable else f"rollout by {values['strategy']}"
    took = span(timedelta(seconds=values["seconds"]))
    when = f"{moment(values['startedAt'])} to {moment(values['endedAt'])} ({took})"
    heading = tag("h1", values["name"], ": ", _called(candidate), " ", badge(str(values["outcome"])))
    against = join((", against ", _called(stable))) if stable else None
    facts = tag(
        "p",
        f"Attempt {values['attempt']} at {candidate['revision']}",
        against,
        f": a {what} in the namespace {values['namespace']}, {when}. Its last stage was {values['lastStage']}.",
    )
    cause = values.get("cause")
    why = (
        tag("p", tag("strong", cause["reason"]), f" at {moment(cause['at'])}: {cause['message']}", class_="cause")
        if cause
        else None
    )
    return tag("header", heading, facts, why)


def _called(version: Values) -> str:
    """Return how people call a version: its model, or the revision where no model is named."""
    model = version.get("model") or {}
    return " ".join(str(model[key]) for key in ("name", "version") if model.get(key)) or str(version["revision"])


def _versions(candidate: Values, stable: Values) -> Iterator[tuple[object, ...]]:
    yield ("revision", code(candidate["revision"]), code(stable.get("revision")))
    models = [one.get("model") or {} for one in (candidate, stable)]
    for key in dict.fromkeys(key for model in models for key in model):
        yield (f"model {key}", *(code(model.get(key)) for model in models))
    images = [[code(image) for image in one.get("images", ())] for one in (candidate, stable)]
    yield ("images", *(join(some, ", ") or None for some in images))


def _golden(values: Values) -> Markup | None:
    run = values.get("golden")
    if not run:
        return None
    rows = (
        (
            one["name"],
            badge("Pass", "right") if one["ok"] else badge("Fail", "wrong"),
            code(one["expected"]),
            code(one["got"]),
        )
        for one in run["examples"]
    )
    before = ", before any traffic" if run.get("beforeTraffic") else ""
    unsent = " The others were not sent any more." if len(run["examples"]) < run["total"] else ""
    examples = f"{count(run['total'])} example{'' if run['total'] == 1 else 's'} of the ConfigMap {run['configMap']}"
    said = f"{examples}, as answered last: {run['stageLabel']}, {moment(run['at'])}{before}.{unsent}"
    return section("Golden examples", tag("p", said), table(("example", "answer", "expected", "got"), rows))


def _warnings(values: Values) -> Iterator[tuple[object, ...]]:
    for one in values.get("warnings", ()):
        yield (one["metric"], moment(one["at"]), one.get("step"), one.get("message"))


def _edits(values: Values) -> Iterator[tuple[object, ...]]:
    for edit in values.get("edits", ()):
        before, after = (code(edit.get(end)) or "absent" for end in ("before", "after"))
        yield (moment(edit["at"]), edit["generation"], edit.get("metric"), code(edit.get("setting")), before, after)


def _requests(values: Values) -> Iterator[tuple[object, ...]]:
    for request in values.get("requests", ()):
        yield (moment(request["at"]), request.get("by"), request["action"], request.get("message"))


def _settings(values: Values) -> Iterator[tuple[object, ...]]:
    for key, value in (values.get("analysis") or {}).items():
        yield (key, code(flat(value).removeprefix("=")))
