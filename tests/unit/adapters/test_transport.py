import aiohttp
import pytest

from modelrollout.adapters.transport import Call
from modelrollout.errors import ConflictError, KubeError, RefusedError, UnavailableError

GET = Call("read ConfigMap", "GET", "/api/v1/namespaces/a/configmaps/b")
POST = Call("post an Event", "POST", "/api/v1/namespaces/a/events", body={"kind": "Event"}, again=False)
SHORT = aiohttp.ClientTimeout(total=0.05)
OK = (200, {"kind": "ConfigMap"})
STATUS = {"kind": "Status", "message": "the server's own words"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (403, RefusedError),
        (404, RefusedError),
        (405, RefusedError),
        (422, RefusedError),
        (409, ConflictError),
        (401, UnavailableError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
async def test_an_answer_becomes_our_error_with_the_servers_words(server, make_transport, status, kind):
    server.say((status, STATUS))
    with pytest.raises(KubeError) as caught:
        await make_transport().json(GET)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert str(caught.value) == "Trying to read ConfigMap: the server's own words"


@pytest.mark.parametrize("fault", [(503, STATUS), (500, STATUS), (429, STATUS), "reset"])
async def test_a_read_is_repeated_until_it_succeeds(server, make_transport, fault):
    server.say(fault, fault, OK)
    assert await make_transport().json(GET) == {"kind": "ConfigMap"}
    assert len(server.asked) == 3


async def test_a_read_is_given_up_after_three_attempts(server, make_transport):
    server.say((503, STATUS))
    with pytest.raises(UnavailableError):
        await make_transport().json(GET)
    assert len(server.asked) == 3


@pytest.mark.parametrize("refusal", [(403, STATUS), (409, STATUS), (422, STATUS)])
async def test_a_refusal_is_not_repeated(server, make_transport, refusal):
    server.say(refusal, OK)
    with pytest.raises(KubeError):
        await make_transport().json(GET)
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", [(503, STATUS), "reset"])
async def test_a_call_that_must_not_happen_twice_is_not_repeated(server, make_transport, fault):
    server.say(fault, OK)
    with pytest.raises(UnavailableError):
        await make_transport().json(POST)
    assert len(server.asked) == 1


async def test_a_call_that_was_certainly_not_carried_out_is_repeated(server, make_transport):
    server.say((429, STATUS), OK)
    await make_transport().json(POST)
    assert len(server.asked) == 2


async def test_a_long_wait_that_the_server_asks_for_is_left_to_the_queue(server, make_transport):
    server.say((429, STATUS, {"Retry-After": "7"}), OK)
    with pytest.raises(UnavailableError) as caught:
        await make_transport().json(GET)
    assert caught.value.retry_after == 7
    assert len(server.asked) == 1


async def test_a_server_that_hangs_is_an_error_in_time(server, make_transport):
    server.say("hang")
    with pytest.raises(UnavailableError, match="no answer in time"):
        await make_transport().json(GET, SHORT)


async def test_an_answer_that_is_no_json_is_an_error(server, make_transport):
    server.say("<html>a proxy's login page</html>")
    with pytest.raises(UnavailableError, match="no JSON"):
        await make_transport().json(GET)


async def test_a_replica_that_no_longer_leads_sends_no_write(server, make_transport):
    server.say(OK)
    with pytest.raises(KubeError, match="may no longer lead"):
        await make_transport(leads=lambda: False).json(Call("apply Service", "PATCH", "/x", fenced_by_lease=True))
    assert server.asked == []


async def test_leadership_is_asked_again_before_a_repetition(server, make_transport):
    server.say((503, STATUS), OK)
    answers = iter([True, False])
    with pytest.raises(KubeError, match="may no longer lead"):
        await make_transport(leads=lambda: next(answers)).json(
            Call("apply Service", "PATCH", "/x", fenced_by_lease=True)
        )
    assert len(server.asked) == 1


async def test_lines_are_put_together_across_chunks(server, make_transport):
    server.say([b'{"a": 1}\n{"b"', b": 2}\n", b"x" * 100_000 + b"\n", b"cut off"])
    lines = [line async for line in make_transport().lines(GET)]
    assert lines == [b'{"a": 1}', b'{"b": 2}', b"x" * 100_000]


async def test_each_attempt_is_counted_with_its_answer(server, make_transport):
    server.say((503, STATUS), "hang")
    seen = []
    with pytest.raises(UnavailableError):
        await make_transport(observe=lambda *what: seen.append(what)).json(GET, SHORT)
    assert seen == [("GET", "503"), ("GET", "none"), ("GET", "none")]
