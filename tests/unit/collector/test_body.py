"""Bodies: whatever the bytes are, they become a document or a reason, at a cost that is bounded."""

import gzip
import json
import math
import unicodedata
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.collector.body import MAX_BODY, is_json, parse_json, read_body
from modelrollout.collector.text import digest
from tests.cost import loops

PLAIN = b'{"predictions": [1, "\xc3\xa4"]}'
DOCUMENT = {"predictions": [1, "ä"]}


def _raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (PLAIN, ""),
        (PLAIN, "identity"),
        (b"\xef\xbb\xbf" + PLAIN, ""),
        (gzip.compress(PLAIN, mtime=0), "gzip"),
        (gzip.compress(PLAIN, mtime=0), " GZIP "),
        (gzip.compress(PLAIN, mtime=0), "x-gzip"),
        (gzip.compress(PLAIN[:5], mtime=0) + gzip.compress(PLAIN[5:], mtime=0), "gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (_raw_deflate(PLAIN), "deflate"),
    ],
)
def test_a_body_is_read(body: bytes, encoding: str) -> None:
    assert read_body(body, encoding).document == DOCUMENT


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(PLAIN, mtime=0)[:-9], "gzip"),
        (gzip.compress(PLAIN, mtime=0)[:12], "gzip"),
        (b"\x00" + gzip.compress(PLAIN, mtime=0), "gzip"),
        (PLAIN, "gzip"),
        (PLAIN, "deflate"),
        (b"", "gzip"),
        (PLAIN, "br"),
        (gzip.compress(gzip.compress(PLAIN, mtime=0), mtime=0), "gzip, gzip"),
        (gzip.compress(b"", mtime=0) * 1000 + gzip.compress(PLAIN, mtime=0), "gzip"),
        (gzip.compress(b" " * (MAX_BODY + 1), mtime=0), "gzip"),
        (b" " * (MAX_BODY + 1), ""),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_undecodable(body: bytes, encoding: str) -> None:
    assert read_body(body, encoding).problem == "undecodable"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"a": 1',
        b'{"a": 1} x',
        b'"\xff"',
        "{}".encode("utf-16"),
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
    ],
)
def test_a_body_that_is_no_json_says_so(body: bytes) -> None:
    assert read_body(body, "").problem == "notJson"


def test_numbers_that_python_refuses_are_read() -> None:
    assert parse_json(f"[{'9' * 5000}, -{'9' * 5000}, 12]") == [math.inf, -math.inf, 12]
    assert parse_json("[1e999]") == [math.inf]


def test_of_two_keys_the_last_one_counts() -> None:
    assert read_body(b'{"a": 1, "a": 2}', "").document == {"a": 2}


@pytest.mark.parametrize(("text", "valid"), [("{}", True), ("NaN", False), ('{"a": Infinity}', False), ("no", False)])
def test_json_by_the_book(text: str, valid: bool) -> None:
    assert is_json(text) is valid


@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "deflate", "br"]))
def test_any_bytes_are_read_or_refused(body: bytes, encoding: str) -> None:
    found = read_body(body, encoding)
    assert found.problem in ("", "undecodable", "notJson")
    if found.problem:
        assert found.document is None


@given(st.binary(max_size=100), st.integers(0, 60))
def test_any_damaged_gzip_is_read_or_refused(damage: bytes, at: int) -> None:
    body = gzip.compress(json.dumps([0] * 50).encode(), mtime=0)
    assert read_body(body[:at] + damage + body[at + len(damage) :], "gzip").problem in ("", "undecodable", "notJson")


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"0" * 100_000_000, 9, mtime=0), "gzip"),
        (gzip.compress(b"", 9, mtime=0) * 50_000, "gzip"),
        (b"[" + b"[],".ljust(3) * 340_000 + b"0]", ""),
        (b"[" + b"1," * 500_000 + b"1]", ""),
        (b'{"a":0.' + b"1" * 1_000_000 + b"}", ""),
        (b"[" + (b"9" * 4000 + b",") * 260 + b"1]", ""),
        (b"[" + (b"9" * 5000 + b",") * 200 + b"1]", ""),
    ],
    ids=["bomb", "members", "lists", "numbers", "long-fraction", "long-integers", "longer-integers"],
)
def test_hostile_bodies_cost_little(body: bytes, encoding: str) -> None:
    cost = loops(lambda: read_body(body, encoding))
    print(f"{cost:.1f} loops")
    assert cost < 200


def test_marks_that_python_sorts_slowly_cost_little() -> None:
    cost = loops(lambda: digest("a" + "\u0301\u0323" * 500_000, exact=False))
    print(f"{cost:.1f} loops")
    assert cost < 800


@given(st.text())
def test_the_same_text_in_other_forms_has_the_same_digest(text: str) -> None:
    assert digest(unicodedata.normalize("NFD", text), exact=False) == digest(text, exact=False)


def test_long_texts_are_normalised_as_well() -> None:
    long = "Äpfel und Birnen " * 500
    assert digest(unicodedata.normalize("NFD", long), exact=False) == digest(f" {long.upper()}\n", exact=False)
    assert digest(long, exact=True) != digest(long.upper(), exact=True)


def test_where_a_text_is_cut_does_not_matter() -> None:
    for blanks in range(300):
        assert digest("ä" + " " * blanks + "b c" * 100, exact=False) == digest(
            "Ä" + " " * (blanks > 0) + "b c" * 100, exact=False
        )
    # Words that are longer than a piece, and characters that become several words.
    assert digest("ä" * 1000, exact=False) == digest("Ä" * 1000, exact=False) != digest("ä" * 999 + " ä", exact=False)
    assert digest("\ufdfa" * 1000, exact=False) == digest(unicodedata.normalize("NFKC", "\ufdfa" * 1000), exact=False)
