"""The page of a report: what stands on it, that nobody's text can break it, and that pictures are of the numbers beside them."""

import copy
import json
import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.modeldeployment import JUDGES
from modelrollout.cli.html import UnreadableReportError, page
from modelrollout.cli.html_draw import axis_of, evidence_picture, value_picture
from modelrollout.cli.html_limit import Limits, limits_of
from modelrollout.cli.html_markup import shown, tag
from modelrollout.domain.evidence import Evidence
from modelrollout.judges import _compare_words
from modelrollout.judges._compare import CompareConfig
from tests.pages.story import REPORTS, stored
from tests.unit.cli.states import finished, thing
from tests.unit.cli.test_report import NEW, report

VOID = {"meta"}
ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "article",
        "h1",
        "h2",
        "h3",
        "p",
        "div",
    ),
    *("span", "strong", "small", "code", "figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "line", "rect", "circle", "path", "text"),
}


class Page(HTMLParser):
    """Elements in order, the text in each kind of them, and whether every one is closed where it should be."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append((tuple(self.open), data))

    def of(self, name):
        return [attributes for found, attributes in self.elements if found == name]

    def inside(self, name):
        return [text for path, text in self.texts if name in path]

    @property
    def text(self):
        return " ".join(text for _, text in self.texts)


@pytest.fixture(scope="module")
def aborted():
    return stored("aborted")


@pytest.fixture(scope="module")
def promoted():
    return stored("promoted")


@pytest.fixture(scope="module")
def drifted():
    return stored("drifted")


_TIMES = {"at", "startedAt", "endedAt", "since"}


def with_text(value, text):
    """The same report with more text in every place where somebody's text can be."""
    match value:
        case dict():
            return {key: inner if key in _TIMES else with_text(inner, text) for key, inner in value.items()}
        case list():
            return [with_text(inner, text) for inner in value]
        case str():
            return f"{value}{text}"
        case _:
            return value


# What stands on it


def test_the_page_of_a_report_is_as_it_was_reviewed(aborted):
    assert page(aborted) == (REPORTS / "aborted.html").read_text(encoding="utf-8"), (
        "The page is another. If that is intended: python -m tests.pages, and review the difference."
    )


def test_it_tells_versions_outcome_and_cause_first(aborted):
    read = Page(page(aborted))
    assert "".join(read.inside("h1")) == "digits: digits 3 ✕ Aborted"
    assert read.inside("title") == ["digits: c997c0336d, attempt 1: Aborted"]
    assert "GateFailed at 2026-01-01" in "".join(read.inside("p"))
    assert {"0ce6ab7862", "c997c0336d", "modelrollout-modelserver:0.2.0"} <= set(read.inside("code"))


def test_it_says_which_version_of_the_operator_wrote_it_where_that_is_known(aborted):
    assert "Written by version 7.8.9 of the operator." in Page(page({**aborted, "operatorVersion": "7.8.9"})).text
    aborted = {key: value for key, value in aborted.items() if key != "operatorVersion"}
    assert "Written by" not in Page(page(aborted)).text


def test_its_sections_are_those_that_have_something_to_say(aborted, promoted):
    every = ["Versions", "Time line", "What was measured", "Predictions of both versions to the same requests"]
    assert Page(page(aborted)).inside("h2") == [*every, "Golden examples", "Settings of the analysis"]
    people = ["Golden examples", "Edits of the analysis", "What people asked", "Settings of the analysis"]
    assert Page(page(promoted)).inside("h2") == [*every, *people]


def test_what_happened_stands_in_order_and_is_numbered_as_in_the_picture(promoted):
    read = Page(page(promoted))
    rows = re.findall(r"(\d) 2026-01-01 (\S+) UTC (stage|people|operator)", read.text)
    assert [number for number, *_ in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert [time for _, time, _ in rows] == sorted(time for _, time, _ in rows)
    marks = [text for path, text in read.texts if path[-2:] == ("svg", "text")]
    assert {"1", "2", "3", "4–6"} <= set(marks)


def test_every_metric_has_its_verdict_in_a_word(aborted):
    text = page(aborted)
    for gate in aborted["gates"]:
        card = text[text.index(f"<h3>{gate['name']}</h3>") :]
        assert gate["verdict"] in card[: card.index("</header>")]


def test_metrics_that_look_at_the_same_part_of_an_answer_share_their_confusion(aborted):
    read = Page(page(aborted))
    assert "chance, empty, same" in read.inside("h3")
    assert sum(attributes.get("class") == "heat" for attributes in read.of("table")) == 1


def test_each_feature_is_drawn_where_its_numbers_are(drifted):
    text = page(drifted)
    part = text[text.index("<h2>Drift by feature</h2>") :]
    drawn = Page(part[: part.index("</section>")])
    assert drawn.inside("h3") == ["answered", "asked"]
    assert "world" in drawn.inside("td")
    rows = [row for metric in ("answered", "asked") for row in drifted["drift"][metric]]
    assert [row["feature"] for row in rows] == [name for name in drawn.inside("th") if name in {*map(feature, rows)}]
    circles, squares = ([float(one[key]) for one in drawn.of(name)] for name, key in (("circle", "cx"), ("rect", "x")))
    assert circles == [pytest.approx(12 + 216 * row["candidate"], abs=0.06) for row in rows]
    assert squares == [pytest.approx(12 + 216 * row["stable"] - 5, abs=0.06) for row in rows]
    references = [float(one["x1"]) for one in drawn.of("line") if one["class"].startswith("bound")]
    assert references == [pytest.approx(12 + 216 * row["reference"], abs=0.06) for row in rows]


def feature(row):
    return row["feature"]


def test_a_feature_of_which_little_is_known_is_shown_without_the_rest(drifted):
    little = {"feature": "age", "place": "at most 40"}
    drawn = Page(page({**drifted, "drift": {"asked": [little]}}))
    assert "at most 40" in drawn.inside("td")
    assert "Drift by feature" in drawn.inside("h2")


def test_metrics_that_decide_nothing_say_so(drifted):
    gates = [{**drifted["gates"][0], "mode": mode} for mode in ("warn", "observe")]
    text = Page(page({**drifted, "gates": gates})).text
    assert "(warn)" in text
    assert "(observe)" in text


def test_a_report_without_anything_measured_is_a_page(aborted):
    least = {
        **{key: aborted[key] for key in ("name", "namespace", "attempt", "outcome", "candidate", "strategy")},
        **{key: aborted[key] for key in ("startedAt", "endedAt", "lastStage", "stages")},
        "seconds": 0,
        "gates": [],
        "analysis": {},
        "edits": [],
        "requests": [],
    }
    assert Page(page(least)).inside("h2") == ["Versions", "Time line"]
    assert "first install" in page(least)
    assert Page(page({**least, "stages": []})).inside("h2") == ["Versions", "Time line"]


# It needs nothing, and nobody's text breaks it


def test_it_loads_nothing_and_runs_nothing(aborted, promoted, drifted):
    for values in (aborted, promoted, drifted):
        text = page(values)
        read = Page(text)
        assert {name for name, _ in read.elements} <= ELEMENTS
        names = {key for _, attributes in read.elements for key in attributes}
        assert not {name for name in names if name.startswith("on") or name in ("src", "href", "xlink:href")}
        assert "url(" not in text
        assert "@import" not in text
        (policy,) = [one["content"] for one in read.of("meta") if "http-equiv" in one]
        assert policy.startswith("default-src 'none'")


HOSTILE = (
    "</style><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "<!-- ]]> --> &lt; &#60;",
    "\x00\x1b[31m\u202e\ud800",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["aborted", "promoted", "drifted"])
def test_hostile_texts_are_texts(name, text):
    values = with_text(stored(name), text)
    for key in ("predictions", "drift"):
        values[key] = {f"{metric}{text}": said for metric, said in values.get(key, {}).items()}
    read, clean = Page(page(values)), Page(page(stored(name)))
    # The same elements with the same attributes as without: only texts have changed.
    known = {(found, *sorted(attributes)) for found, attributes in clean.elements}
    assert {(found, *sorted(attributes)) for found, attributes in read.elements} <= known
    assert shown(text) in read.text


@given(st.text(alphabet=st.characters(), max_size=30))
def test_no_text_ends_its_element_or_cannot_be_written(text):
    drawn = tag("td", text, title=text)
    drawn.encode("utf-8")
    read = Page(drawn)
    assert [name for name, _ in read.elements] == ["td"]
    assert "".join(found for _, found in read.texts) == shown(text)
    assert read.elements[0][1]["title"] == shown(text)


def test_signs_that_mislead_the_eye_are_shown():
    assert shown("a\u202eb\x07") == "a⟨U+202E⟩b␇"


def test_a_report_of_another_making_is_refused_with_the_way_out(aborted):
    for broken in ({**aborted, "stages": None}, {**aborted, "startedAt": "yesterday"}, {"name": "digits"}):
        with pytest.raises(UnreadableReportError, match=r"Without --html the page is shown"):
            page(broken)


def test_numbers_that_are_none_are_left_out(aborted):
    values = copy.deepcopy(aborted)
    for gate in values["gates"]:
        if "evidence" in gate:
            gate["evidence"] |= {"candidate": math.nan, "low": -math.inf, "against": math.inf, "within": None}
    text = page(values)
    assert not re.search(r'="-?(nan|inf)', text)
    Page(text)


# The pictures are of the numbers


def places(picture, name, key):
    return [float(attributes[key]) for attributes in Page(picture).of(name)]


@given(
    low=st.floats(-1, 0),
    high=st.floats(0.001, 1),
    candidate=st.floats(0, 1),
    stable=st.floats(0, 1),
    margin=st.floats(0.001, 1),
)
def test_a_difference_lies_between_its_ends_as_its_numbers_do(low, high, candidate, stable, margin):
    row, limits = {"low": low, "high": high, "candidate": candidate, "stable": stable}, Limits(above=margin)
    axis = axis_of([row], limits)
    picture = Page(value_picture(row, axis, limits))
    lines = {
        attributes["class"]: float(attributes["x1"])
        for attributes in picture.of("line")
        if "ends" not in attributes["class"]
    }
    (value,) = [float(attributes["cx"]) for attributes in picture.of("circle")]
    known = [(0.0, lines["zero"]), (low, lines["span"]), (margin, lines["bound"]), (candidate - stable, value)]
    for one, here in known:
        for other, there in known:
            if one < other:
                assert here <= there


def test_an_end_that_is_not_known_has_no_end():
    limits = Limits(above=0.01)
    for row in ({"low": -0.01}, {"high": 0.02}):
        picture = Page(value_picture(row, axis_of([row], limits), limits))
        assert sum(attributes["class"] == "ends" for attributes in picture.of("line")) == 1


@pytest.mark.parametrize(
    ("value", "reached", "words"),
    [(2.97, False, "2.9"), (3.0, True, "3.0 ✓"), (40.0, True, "40.0 ✓"), (-1.0, False, "−1.0"), (-0.01, False, "0.0")],
)
def test_a_bar_is_full_when_its_bound_is_reached(value, reached, words):
    picture = Page(evidence_picture({"against": value, "within": 0.0, "worse": 0.0}, 3.0, 5.0))
    bar = next(attributes for attributes in picture.of("rect") if "against" in attributes["class"])
    assert ("reached" in bar["class"]) is reached
    bound = float(picture.of("line")[1]["x1"])
    assert (float(bar["x"]) + float(bar["width"]) >= bound - 0.11) is reached
    assert picture.inside("text")[1] == words


def test_the_bounds_are_those_of_the_settings(aborted):
    text = page({**aborted, "analysis": {**aborted["analysis"], "alpha": 0.01, "beta": 0.2}})
    assert "4.6 = ln 1/α for beyond and worse, 1.6 = ln 1/β for within" in text


@pytest.mark.parametrize(
    ("config", "evidence", "limits"),
    [
        ({}, {"candidate": 0.01, "stable": 0.01}, Limits(above=0.005, ratio=1.25)),
        ({"margin": {"absolute": 0.02}}, {"candidate": 0.1, "stable": 0.1}, Limits(above=0.02)),
        ({"margin": {"ratio": 1.5}}, {"candidate": 0.1, "stable": 0.1}, Limits(ratio=1.5)),
        (
            {"margin": {"absolute": 3.5}, "worse": "lower"},
            {"candidate": 10, "stable": 12, "about": "mean"},
            Limits(below=3.5),
        ),
        ({}, {"candidate": 0.1, "stable": 0.1, "about": "share of cat"}, Limits(above=0.1, below=0.1)),
        ({"quantile": {"q": 0.99, "ratio": 1.2}}, {"candidate": 0.2, "stable": 0.2}, Limits(ratio=1.2)),
    ],
)
def test_a_margin_is_read_from_the_operators_own_words(config, evidence, limits):
    judge = CompareConfig.model_validate(config)
    words = _compare_words.limit(judge, Evidence.model_validate(evidence))
    found = limits_of({"limit": words, "judge": {"compare": judge.dump()}})
    assert found.constants == limits.constants
    for key in ("above", "below", "ratio"):
        assert getattr(found, key) == pytest.approx(getattr(limits, key))


def test_constants_are_limits_whatever_stable_does():
    assert {"threshold", "agreement"} <= set(JUDGES)
    assert limits_of({"limit": "≤ 0.02", "judge": {"threshold": {"max": 0.02, "min": 0.0}}}).constants == (0.02, 0.0)
    assert limits_of({"limit": "κ ≥ 0.8", "judge": {"agreement": {"min": 0.8}}}).values(None) == [(0.8, "")]
    assert limits_of({"limit": "agreement ≥ stable with itself − 2 pp"}).differences(None) == [(-0.02, "")]
    assert limits_of({"limit": "≤ stable + 1.2.3 pp"}) == Limits()


# The command


@pytest.fixture
def reports(cluster):
    cluster.world.put(thing(finished()))
    filed = report(NEW)
    filed["data"]["report.json"] = json.dumps({**stored("promoted"), "candidate": {"revision": NEW.name}})
    cluster.world.maps = [filed]
    return cluster


async def test_the_page_is_written_to_the_file(reports, tmp_path):
    file = tmp_path / "report.html"
    file.write_text("an older one", encoding="utf-8")
    result = await reports.run("report", "digits", "--html", str(file))
    assert (result.exit_code, result.stdout) == (0, f"The report of {NEW.name}/1 is in {file}.\n")
    assert Page(file.read_text(encoding="utf-8")).inside("h2")[0] == "Versions"


async def test_the_page_goes_to_standard_output(reports):
    result = await reports.run("report", "digits", "--html", "-")
    assert result.exit_code == 0
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert result.stdout.endswith("</html>\n")


async def test_programs_get_the_facts_beside_the_page(reports, tmp_path):
    result = await reports.run("report", "digits", "--html", str(tmp_path / "report.html"), "-o", "json")
    assert json.loads(result.stdout)["outcome"] == "Completed"
    assert (tmp_path / "report.html").exists()
    both = await reports.run("report", "digits", "--html", "-", "-o", "json")
    assert (both.exit_code, both.stdout) == (2, "")
    assert "Name a file." in both.stderr


async def test_a_file_that_cannot_be_written_is_said(reports, tmp_path):
    result = await reports.run("report", "digits", "--html", str(tmp_path / "absent" / "report.html"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


async def test_a_report_that_cannot_be_drawn_is_said(reports):
    reports.world.maps[0]["data"]["report.json"] = report(NEW)["data"]["report.json"]
    result = await reports.run("report", "digits", "--html", "-")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Without --html the page is shown that was written with it." in result.stderr
