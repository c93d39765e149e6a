from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from modelrollout.adapters import http as http_module
from modelrollout.adapters.http import HttpClient, Prometheus
from modelrollout.errors import SourceError


def address(server) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


async def router_page(server) -> str:
    async with HttpClient() as client:
        return await client.router_status(*address(server), "/status")


async def test_a_routers_page_is_returned(server):
    server.say("envoy_up 1\n")
    assert await router_page(server) == "envoy_up 1\n"


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_anything_but_200_from_a_router_is_an_error_and_redirects_are_not_followed(server, status):
    server.say((status, {}, {"Location": "/elsewhere"}), "followed")
    with pytest.raises(SourceError, match=f"answered {status}"):
        await router_page(server)
    assert len(server.asked) == 1


async def test_a_router_that_hangs_is_an_error_in_time(server, monkeypatch):
    monkeypatch.setattr(http_module, "ROUTER_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    server.say("hang")
    with pytest.raises(SourceError, match="no answer within"):
        await router_page(server)


async def test_a_router_that_is_gone_is_an_error():
    async with HttpClient() as client:
        with pytest.raises(SourceError, match="ClientConnectorError"):
            await client.router_status("127.0.0.1", 1, "/status")


async def test_a_page_that_is_too_large_is_refused(server, monkeypatch):
    monkeypatch.setattr(http_module, "ROUTER_BYTES", 10)
    server.say("12345678901")
    with pytest.raises(SourceError, match="larger than"):
        await router_page(server)


async def test_a_collector_is_asked_through_the_port_of_the_status_page(server):
    server.say('{"v": 1}')
    async with HttpClient() as client:
        assert await client.predictions(*address(server)) == '{"v": 1}'
    assert [asked.path for asked in server.asked] == ["/predictions"]


@pytest.mark.parametrize("answer", [(503, {}, {}), "hang", "12345678901"])
async def test_a_collector_that_is_dead_slow_or_too_talkative_is_an_error_in_time(server, monkeypatch, answer):
    monkeypatch.setattr(http_module, "ROUTER_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    monkeypatch.setattr(http_module, "ROUTER_BYTES", 10)
    server.say(answer)
    async with HttpClient() as client:
        with pytest.raises(SourceError, match="Asking the collector in a router's pod"):
            await client.predictions(*address(server))


async def test_without_prometheus_the_error_names_the_setting():
    async with HttpClient() as client:
        with pytest.raises(SourceError, match="MODELROLLOUT_PROMETHEUS_URL"):
            await client.prometheus("up")


async def test_a_query_carries_headers_and_a_token_that_is_read_each_time(server, tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("one\n")
    server.say((200, {"status": "success"}))
    seen = []
    server_handle = server.handle

    async def keep(request):
        seen.append(dict(request.headers))
        return await server_handle(request)

    server.handle = keep
    where = Prometheus(server.url, token_file=token, headers={"X-Scope-OrgID": "team"})
    async with HttpClient(where) as client:
        assert await client.prometheus("up") == {"status": "success"}
        token.write_text("two\n")
        await client.prometheus("up")
    assert [asked.path for asked in server.asked] == ["/api/v1/query"] * 2
    assert (server.asked[0].method, server.asked[0].body) == ("POST", {"query": "up"})
    assert [headers["Authorization"] for headers in seen] == ["Bearer one", "Bearer two"]
    assert seen[0]["X-Scope-OrgID"] == "team"


async def test_the_words_of_a_wrong_query_reach_the_source(server):
    server.say((400, {"status": "error", "error": "parse error"}))
    async with HttpClient(Prometheus(server.url)) as client:
        assert (await client.prometheus("up{"))["error"] == "parse error"


async def test_a_prometheus_that_hangs_is_an_error_in_time(server, monkeypatch):
    monkeypatch.setattr(http_module, "PROMETHEUS_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    server.say("hang")
    async with HttpClient(Prometheus(server.url)) as client:
        with pytest.raises(SourceError, match="no answer within"):
            await client.prometheus("up")


async def test_a_token_that_is_gone_is_an_error(server, tmp_path: Path):
    async with HttpClient(Prometheus(server.url, token_file=tmp_path / "gone")) as client:
        with pytest.raises(SourceError, match="cannot be read"):
            await client.prometheus("up")
    assert server.asked == []


def test_limits_are_as_promised():
    assert timedelta(seconds=http_module.ROUTER_TIMEOUT.total or 0) == timedelta(seconds=1)
    assert timedelta(seconds=http_module.PROMETHEUS_TIMEOUT.total or 0) == timedelta(seconds=5)
    assert (http_module.ROUTER_BYTES, http_module.PROMETHEUS_BYTES) == (4 << 20, 4 << 20)
