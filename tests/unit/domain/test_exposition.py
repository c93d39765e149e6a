"""The Prometheus text format: read strictly, because half a page must never look like fewer errors."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.domain.exposition import parse_exposition
from modelrollout.errors import SourceError


@pytest.mark.parametrize(
    ("line", "name", "labels", "value"),
    [
        ("up 1", "up", {}, 1.0),
        ('up{job="a"} 1', "up", {"job": "a"}, 1.0),
        ('up{job="a",pod="b"} 1.5e3', "up", {"job": "a", "pod": "b"}, 1500.0),
        ('up{job="a",} 1', "up", {"job": "a"}, 1.0),
        ("up{} 1", "up", {}, 1.0),
        ("up 1 1700000000000", "up", {}, 1.0),
        (r'up{path="C:\\new"} 1', "up", {"path": "C:\\new"}, 1.0),
        (r'up{text="a\nb"} 1', "up", {"text": "a\nb"}, 1.0),
        (r'up{text="say \"hi\", {x}"} 1', "up", {"text": 'say "hi", {x}'}, 1.0),
        ('up{text="a\u2028b\x0cc"} 1', "up", {"text": "a\u2028b\x0cc"}, 1.0),
        ("up +Inf", "up", {}, math.inf),
        ("a:b_c 0", "a:b_c", {}, 0.0),
    ],
)
def test_a_line(line: str, name: str, labels: dict[str, str], value: float) -> None:
    assert list(parse_exposition(f"{line}\n")) == [(name, labels, value)]


def test_nan_is_read_as_what_it_is() -> None:
    (point,) = parse_exposition("x NaN\n")
    assert math.isnan(point.value)


def test_comments_and_empty_lines_say_nothing() -> None:
    assert list(parse_exposition("# HELP up Whether.\n# TYPE up gauge\n\nup 1\n")) == [("up", {}, 1.0)]
    assert list(parse_exposition("")) == []


@pytest.mark.parametrize(
    "page",
    [
        "up 1",
        "up 1\ndown",
        "<html>\n",
        "up\n",
        "up one\n",
        'up{job="a} 1\n',
        "up{job=a} 1\n",
        'up{job="a" pod="b"} 1\n',
        "{} 1\n",
        "1up 1\n",
        "no healthy upstream\n",
    ],
)
def test_a_page_that_is_none_is_an_error(page: str) -> None:
    with pytest.raises(SourceError, match="Reading a metrics page"):
        list(parse_exposition(page))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40), st.floats(allow_nan=False))
def test_what_is_written_by_the_book_is_read_back(text: str, value: float) -> None:
    written = text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    assert list(parse_exposition(f'x{{label="{written}"}} {value!r}\n')) == [("x", {"label": text}, value)]
