"""The judge must be able to say guilty: each of these answers is wrong in one way, and is found."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.soak.client import WAYS, ExactClient, difference
from tests.soak.exchanges import CANDIDATE, DIFFERS_EVERY, HUGE, STABLE, Exchange, answer, mixed, small
from tests.soak.model import Known
from tests.traffic.http1 import Response
from tests.traffic.model import Settings

EXCHANGE = next(small())
RIGHT = {
    **EXCHANGE.answer.headers,
    "content-length": str(len(EXCHANGE.answer.body)),
    "x-model-revision": STABLE,
    "x-model-pod": "loopback",
}


@asynccontextmanager
async def serving(arm: str) -> AsyncIterator[int]:
    server = Known(Settings(revision=arm, pod="loopback", port=0, term_mode="abrupt"))
    await server.start()
    yield server.port
    server.terminate()
    await asyncio.sleep(0.05)  # let both ends notice


def test_the_answer_that_is_known_is_right():
    assert not difference(EXCHANGE, Response(200, {**RIGHT, "date": "now"}, EXCHANGE.answer.body), STABLE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda right: dataclasses.replace(right, status=503), "status 503, not 200"),
        (lambda right: dataclasses.replace(right, headers={**RIGHT, "x-capture": "100"}), "x-capture"),
        (
            lambda right: dataclasses.replace(right, headers={**RIGHT, "x-model-revision": CANDIDATE}),
            "x-model-revision",
        ),
        (lambda right: dataclasses.replace(right, body=right.body[:-1] + b" "), "differ at 399"),
        (
            lambda right: dataclasses.replace(right, body=right.body + b" "),
            "401 bytes, not 400; they differ at the end",
        ),
    ],
)
def test_one_thing_that_is_changed_is_found(change: Callable[[Response], Response], said: str):
    assert said in difference(EXCHANGE, change(Response(200, RIGHT, EXCHANGE.answer.body)), STABLE)


async def test_every_exchange_of_the_mix_is_answered_as_it_is_known():
    count = sum(exchange.times for exchange in mixed())
    async with serving(STABLE) as port:
        client = ExactClient(port, mixed(), 400, STABLE)
        report = await client.run(count / 400)
    assert (report.requests, client.wrong) == (count, [])
    assert set(client.left) == set(WAYS)


async def test_no_answer_of_the_candidate_passes_for_one_of_stable():
    mix = [each for each in mixed() if answer(CANDIDATE, each.path, each.body) != each.answer]
    assert len(mix) > 0.8 * sum(1 for _ in mixed())
    async with serving(CANDIDATE) as port:
        client = ExactClient(port, mix, 400, CANDIDATE, leavers=False)
        report = await client.run(1)
    assert len(client.wrong) == report.requests == 400


@pytest.mark.parametrize("size", [0, 1, 2, 150, 1000, 1001, HUGE])
def test_documents_have_exactly_the_size_that_is_asked_for(size: int):
    assert len(answer(STABLE, f"/json/{size}", b"").body) == size


def test_the_candidate_sometimes_says_something_else_and_sometimes_only_half():
    bodies = [str(number).encode() for number in range(50 * DIFFERS_EVERY)]
    answers = [(answer(STABLE, "/json/400", body), answer(CANDIDATE, "/json/400", body)) for body in bodies]
    label = b'"data": ["'
    differ = sum(one.body.split(label)[1][:3] != two.body.split(label)[1][:3] for one, two in answers)
    assert 20 < differ < 80
    assert 20 < sum(two.cut for _, two in answers) < 80


def test_a_request_names_the_length_of_what_it_sends():
    exchange = Exchange(path="/json/0", body=b"{}")
    assert exchange.request.endswith(b"content-length: 2\r\n\r\n{}")
