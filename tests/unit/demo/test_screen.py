import io

import pytest
from rich.console import Console

from tests.demo.screen import figures, rate, render, screen, sparkline
from tests.demo.show import Show
from tests.demo.summary import summarize
from tests.demo.view import View
from tests.unit.demo.recorded import line, whole_story


def text(renderable):
    console = Console(file=io.StringIO(), width=160, no_color=True)
    console.print(renderable)
    return console.file.getvalue()


def test_the_screen_shows_who_answers_what_is_measured_and_what_was_decided():
    show = Show()
    show.recording = whole_story()
    show.begin("3/4  v3")
    gate = {"name": "errors", "verdict": "Fail", "value": 0.21, "limit": "≤ 0.05", "message": "0.21 is above 0.05"}
    show.view = View(
        shares={"r2": 80, "r3": 20}, candidate="r3", phase="Progressing", message="step 1/2: r3", gates=(gate,)
    )

    shown = text(render(show))

    for expected in (
        "3/4  v3",
        "80 %",
        "20 %",
        "≤ 0.05",
        "Fail",
        "step 1/2: v3",
        "a plain Deployment",
        "v3 is rolled back",
    ):
        assert expected in shown
    assert "r3" not in shown


def test_the_screen_can_be_drawn_before_anything_has_happened():
    assert "nobody answers yet" in text(render(Show()))


def test_the_summary_puts_both_side_by_side():
    shown = text(figures(summarize(whole_story())))

    model = next(row for row in shown.splitlines() if "bad model" in row)
    assert [word for word in model.split() if word.isdigit()] == ["20", "560"]
    for version in ("v2-rc1", "v2-rc2"):
        wrong = next(row for row in shown.splitlines() if f"answers of {version}" in row)
        assert [word for word in wrong.split() if word.isdigit()] == ["0"]
    weight = next(row for row in shown.splitlines() if "weight 0" in row)
    assert "4.0 s" in weight
    assert "27.5 s, by hand" in weight


def test_without_a_terminal_each_decision_is_one_line():
    console = Console(file=io.StringIO(), width=40)

    with screen(console) as show:
        show.say("a decision that is longer than the forty characters of this terminal", at=show.recording.started + 12)

    assert console.file.getvalue() == "  12.0 s  a decision that is longer than the forty characters of this terminal\n"


@pytest.mark.parametrize(("errors", "spark"), [(0, "▁"), (1, "▂"), (25, "█"), (100, "█")])
def test_any_error_at_all_is_seen_in_a_sparkline(errors, spark):
    bins = [line(second, {"r1": 100}, errors={"r1": errors} if errors else {}, right={}) for second in range(4)]

    assert sparkline(bins) == spark
    assert rate(bins) == errors / 100


def test_a_sparkline_keeps_the_newest():
    bins = [line(second, {"r1": 100}, errors={"r1": 100} if second >= 8 else {}, right={}) for second in range(12)]

    assert sparkline(bins, length=2) == "▁█"
