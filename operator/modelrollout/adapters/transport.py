"""One request to the API server: bounded in time, repeated only where repeating is safe, and with our own errors.

The official client waits five minutes for an answer and repeats nothing; a reconcile must do neither.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio.client.rest import RESTResponse

from modelrollout.adapters.connect import Connection
from modelrollout.errors import ConflictError, KubeError, RefusedError, UnavailableError

TIMEOUT = aiohttp.ClientTimeout(total=5, connect=3)
"""No answer within five seconds is no answer: the caller backs off, and a lease of fifteen seconds still holds."""
WATCH_TIMEOUT = aiohttp.ClientTimeout(total=330, connect=3, sock_read=90)
"""The server sends a bookmark every minute; a stream that is silent for longer is dead."""
PAUSES = (0.1, 0.4)
"""Seconds before the second and the third attempt, jittered."""


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        what: the attempt in words, for errors: ``apply Deployment``. No generated names.
        method: HTTP method.
        path: below the server's address.
        query: query parameters.
        body: JSON body.
        content_type: of the body.
        accept: wanted form of the answer.
        again: the same call may be repeated although the first one may have been carried out.
        fenced_by_lease: only the leader may send it; asked before each attempt, as a repetition may come much later.
    """

    what: str
    method: str
    path: str
    query: Mapping[str, str | int] | None = None
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    again: bool = True
    fenced_by_lease: bool = False


class Transport:
    """Sends calls.

    Args:
        connection: to the API server.
        observe: told method and kind of answer (the status code, or ``none``) of each attempt, for metrics.
        leads: False once another replica may lead.
    """

    def __init__(
        self,
        connection: Connection,
        observe: Callable[[str, str], None] = lambda _method, _code: None,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._api = connection.api
        self._observe = observe
        self._leads = leads

    async def json(self, call: Call, timeout: aiohttp.ClientTimeout = TIMEOUT) -> dict[str, Any]:  # noqa: ASYNC109  # the connect and read parts differ, which asyncio.timeout cannot say
        """Send a call and return the decoded object.

        Raises:
            ConflictError: 409.
            RefusedError: any other 4xx.
            UnavailableError: no answer, 429 or 5xx, also after repeating.
        """
        for pause in PAUSES:
            try:
                return await self._once(call, timeout)
            except UnavailableError as exc:
                # 429 was certainly not carried out. Anything else may have been, and only some calls bear repeating.
                if not (call.again or exc.status == 429):
                    raise
                wait = pause * random.uniform(0.5, 1.5)  # noqa: S311  # spreads repetitions, protects nothing
                if exc.retry_after is not None and exc.retry_after > 1:
                    raise
                await asyncio.sleep(max(wait, exc.retry_after or 0))
        return await self._once(call, timeout)

    async def _once(self, call: Call, timeout: aiohttp.ClientTimeout) -> dict[str, Any]:  # noqa: ASYNC109  # see json
        if call.fenced_by_lease and not self._leads():
            raise KubeError(f"Trying to {call.what}: this replica may no longer lead, so it writes nothing.")
        async with self._open(call, timeout) as response:
            raw = await response.read()
        return _decode(call, raw)

    async def text(self, call: Call, timeout: aiohttp.ClientTimeout = TIMEOUT) -> str:  # noqa: ASYNC109  # see json
        """Send a call once and return its answer as text.

        Raises:
            KubeError: as :meth:`json`, without repetition.
        """
        async with self._open(call, timeout) as response:
            raw: bytes = await response.read()
        return raw.decode(errors="replace")

    async def lines(self, call: Call) -> AsyncGenerator[bytes, None]:
        """Send a call and yield the lines of its answer as they come (a watch).

        Raises:
            KubeError: as :meth:`json`, without repetition; also in the middle of the stream.
        """
        async with self._open(call, WATCH_TIMEOUT) as response:
            rest = b""
            # Not `async for line in content`: a line above the buffer's size would raise there.
            async for chunk in response.response.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line

    @asynccontextmanager
    async def _open(self, call: Call, timeout: aiohttp.ClientTimeout) -> AsyncIterator[RESTResponse]:  # noqa: ASYNC109  # see json
        code = "none"
        try:
            method, url, headers, body, _ = await self._api.param_serialize(
                call.method,
                call.path,
                query_params=list((call.query or {}).items()),
                header_params={"Accept": call.accept, "Content-Type": call.content_type},
                body=call.body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(method, url, headers, body, _request_timeout=timeout)
            code = str(response.status)
            try:
                if not 200 <= response.status <= 299:
                    raise _error(call, response, await response.read())
                yield response
            finally:
                response.response.release()
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            words = "no answer in time" if isinstance(exc, TimeoutError) else "the connection failed"
            raise UnavailableError(f"Trying to {call.what}: {words}. It is tried again.") from exc
        finally:
            self._observe(call.method, code)


def _decode(call: Call, raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except ValueError as exc:
        raise UnavailableError(
            f"Trying to {call.what}: the answer is no JSON. Check what answers at the API server's address."
        ) from exc
    if not isinstance(answer, dict):
        raise UnavailableError(
            f"Trying to {call.what}: the answer is no object. Check what answers at the API server's address."
        )
    return answer


def _error(call: Call, response: RESTResponse, raw: bytes) -> KubeError:
    try:
        words = str(json.loads(raw)["message"])
    except (ValueError, KeyError, TypeError):
        words = f"HTTP {response.status}"
    message = f"Trying to {call.what}: {words}"
    match response.status:
        case 409:
            return ConflictError(message, 409)
        case 429:
            return UnavailableError(message, 429, _seconds(response.headers.get("Retry-After")))
        case code if code >= 500:
            return UnavailableError(message, code, _seconds(response.headers.get("Retry-After")))
        case 401:
            # The token may just have been rotated; it is read again within a minute.
            return UnavailableError(message, 401)
        case code:
            return RefusedError(message, code)


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None
