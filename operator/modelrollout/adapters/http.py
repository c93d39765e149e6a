"""Outgoing HTTP: routers' status pages, one Prometheus and model pods, bounded in time and size, to known addresses only."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any, Self

import aiohttp

from modelrollout.domain.golden import Answer, Sent
from modelrollout.errors import SourceError
from modelrollout.schema import format_duration

ROUTER_TIMEOUT = aiohttp.ClientTimeout(total=1)
"""Routers are asked up to ten times a second; one that needs longer than a second has acknowledged nothing."""
ROUTER_BYTES = 4 * 1024 * 1024
PREDICTIONS_PATH = "/predictions"
PROMETHEUS_TIMEOUT = aiohttp.ClientTimeout(total=5)
PROMETHEUS_BYTES = 4 * 1024 * 1024
PROBE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Prometheus:
    """How to reach Prometheus; only the operator's configuration says so, never a spec.

    Attributes:
        url: its address without ``/api/v1``.
        token_file: file with a bearer token, read at every query.
        ca_file: file with its certificate authority.
        headers: extra headers.
    """

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def tls(self) -> SSLContext | bool:
        """Return what to trust: the given authority alone, or the system's."""
        return create_default_context(cafile=str(self.ca_file)) if self.ca_file else True


class HttpClient:
    """Implements :class:`modelrollout.adapters.protocols.Http`. Use as an async context manager.

    Args:
        prometheus: where Prometheus is, None when there is none.
    """

    def __init__(self, prometheus: Prometheus | None = None) -> None:
        self._prometheus = prometheus
        self._tls = prometheus.tls() if prometheus else True
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No proxy from the environment: a router's pod address means nothing to it.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100), trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def router_status(self, address: str, port: int, path: str) -> str:
        """GET a router pod's status page; see the protocol."""
        raw = await self._ask("a router's status page", _url(address, port, path), ROUTER_TIMEOUT, ROUTER_BYTES)
        return raw.decode(errors="replace")

    async def predictions(self, address: str, port: int) -> str:
        """GET what the collector in a router's pod has counted; see the protocol."""
        url = _url(address, port, PREDICTIONS_PATH)
        raw = await self._ask("the collector in a router's pod", url, ROUTER_TIMEOUT, ROUTER_BYTES)
        return raw.decode(errors="replace")

    async def prometheus(self, query: str) -> Any:  # noqa: ANN401  # decoded JSON of any shape; parsed by the source
        """Run one instant query; see the protocol."""
        where = self._prometheus
        if where is None:
            raise SourceError(
                "Asking Prometheus: none is configured. Set MODELROLLOUT_PROMETHEUS_URL for the operator."
            )
        headers = dict(where.headers)
        if where.token_file is not None:
            try:
                headers["Authorization"] = f"Bearer {where.token_file.read_text().strip()}"
            except OSError as exc:
                raise SourceError(
                    f"Asking Prometheus: the token file {where.token_file} cannot be read. Mount it."
                ) from exc
        # A query names every pod of both versions: too long for the address of a GET.
        raw = await self._ask(
            "Prometheus",
            f"{where.url.rstrip('/')}/api/v1/query",
            PROMETHEUS_TIMEOUT,
            PROMETHEUS_BYTES,
            form={"query": query},
            headers=headers,
        )
        try:
            return json.loads(raw)
        except ValueError as exc:
            raise SourceError("Asking Prometheus: the answer is no JSON. Check MODELROLLOUT_PROMETHEUS_URL.") from exc

    async def probe(self, address: str, port: int, sent: Sent, limit: timedelta) -> Answer:
        """Send one pinned request to a model pod; see the protocol."""
        assert self._session is not None, "use the client as a context manager"
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with self._session.request(
                sent.method,
                _url(address, port, sent.path),
                data=sent.body or None,
                headers=sent.headers,
                timeout=aiohttp.ClientTimeout(total=limit / timedelta(seconds=1)),
                allow_redirects=False,
            ) as response:
                body = await _bounded(response.content, PROBE_BYTES)
                status = response.status
        except TimeoutError as exc:
            raise SourceError(f"no answer within {format_duration(limit)}") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            # The words must be the same at every try, and an address or a port is not.
            raise SourceError(f"no answer: {type(exc).__name__}") from exc
        if body is None:
            raise SourceError(f"its answer is larger than {PROBE_BYTES // 1024} KiB")
        return Answer(status, body, loop.time() - begun)

    async def _ask(  # noqa: PLR0913  # one private call with two users
        self,
        what: str,
        url: str,
        limit: aiohttp.ClientTimeout,
        size: int,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        assert self._session is not None, "use the client as a context manager"
        try:
            async with self._session.request(
                "POST" if form else "GET",
                url,
                data=form,
                headers=headers,
                timeout=limit,
                allow_redirects=False,
                ssl=self._tls,
            ) as response:
                # A wrong query is told with 400 and words in the same JSON form, which the source reads.
                if response.status not in ((200, 400, 422) if form else (200,)):
                    raise SourceError(f"Asking {what}: it answered {response.status}. Check its log.")
                raw = await _bounded(response.content, size)
        except TimeoutError as exc:
            raise SourceError(
                f"Asking {what}: no answer within {limit.total:g} s. Check that it runs and can be reached."
            ) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise SourceError(f"Asking {what}: {type(exc).__name__}. Check that it runs and can be reached.") from exc
        if raw is None:
            raise SourceError(f"Asking {what}: the answer is larger than {size // 1024} KiB. Ask for less.")
        return raw


def _url(address: str, port: int, path: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}{path}"


async def _bounded(content: aiohttp.StreamReader, size: int) -> bytes | None:
    """Read a body up to a size, None when it is larger."""
    raw = b""
    async for chunk in content.iter_any():
        raw += chunk
        if len(raw) > size:
            return None
    return raw
